// OutboundRouter: the queue's Router. Asks the hooks of stage route, then the recipient's own next hop, then the routes table. Belongs to
// the queue loop.
#pragma once

#include "hooks/runner.h"
#include "outbound/route_table.h"
#include "queue/queue.h"

namespace veredus {

class OutboundRouter final : public Router {
 public:
  OutboundRouter(SettingsPtr settings, Runner& runner) : table_(std::move(settings)), runner_(runner) {}

  Task<Routed> route(std::shared_ptr<const Envelope> envelope, uint32_t recipient) override;
  void reconfigure(SettingsPtr settings) { table_ = RouteTable(std::move(settings)); }

 private:
  struct Wish {
    std::string next_hop, pool;
  };
  static Reply refusal(const Verdict& verdict);
  Routed by_table(const Recipient& recipient, const Wish& wish);

  RouteTable table_;
  DestinationTable destinations_;
  Runner& runner_;
};

}  // namespace veredus
