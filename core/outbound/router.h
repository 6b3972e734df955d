// OutboundRouter: the queue's Router. Asks the hooks of stage route, then the recipient's own next hop, then the routes table; where one of
// them names a plugin that chooses, that plugin. Belongs to the queue loop.
#pragma once

#include "hooks/runner.h"
#include "loop/table_port.h"
#include "outbound/route_table.h"
#include "outbound/router_port.h"
#include "queue/queue.h"

namespace veredus {

class OutboundRouter final : public Router {
 public:
  OutboundRouter(SettingsPtr settings, Runner& runner) : table_(std::move(settings)), runner_(runner) {}

  Task<Routed> route(std::shared_ptr<const Envelope> envelope, uint32_t recipient) override;
  void reconfigure(SettingsPtr settings) { table_ = RouteTable(std::move(settings)); }
  void use(RouterPort* port) { port_ = port; }  // null = no plugin chooses
  void use(TablePort* tables) { tables_ = tables; }

  static constexpr Millis kRouterPatience{30'000};
  static constexpr int kMostRouters = 8;  // asked for one recipient, each of which has no opinion

 private:
  struct Wish {
    std::string next_hop, pool;
    std::string tls;  // a level; empty: as settings and tables say
    size_t from = 0;  // the first route that may match
    IpPreference ip = IpPreference::system;
    std::optional<TlsPolicySettings> route_tls;  // of the route that left the choice to a plugin, which holds for what it chooses
    std::string credentials;
  };
  static Routed judged(const Verdict& verdict);
  static void take_edits(const std::vector<Edit>& edits, uint32_t recipient, Wish& wish);
  Task<Routed> follow(std::shared_ptr<const Envelope> envelope, uint32_t recipient, Wish wish);
  Task<RouteAnswer> ask(std::string name, std::shared_ptr<const Envelope> envelope, uint32_t recipient);
  Reply find(const Recipient& recipient, Wish& wish, Destination& out) const;
  Task<Reply> secure(std::shared_ptr<const Envelope> envelope, uint32_t recipient, std::string wanted, Destination* found);
  Task<Reply> choose_level(std::string domain, std::string wanted, Destination* found);
  void relax(Destination& found) const;
  Task<TableAnswer> ask_policy_table(std::string domain);

  RouteTable table_;
  DestinationTable destinations_;
  Runner& runner_;
  RouterPort* port_ = nullptr;
  TablePort* tables_ = nullptr;
};

}  // namespace veredus
