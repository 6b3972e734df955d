// RouteTable: which next hops a recipient's domain has, by the routes of the settings. DestinationTable: one shared object a destination
// name, kept while somebody holds it. Both belong to the queue loop.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/settings.h"
#include "queue/queue.h"

namespace veredus {

class DestinationTable {
 public:
  std::shared_ptr<const Destination> intern(Destination destination);
  size_t size() const { return known_.size(); }

 private:
  std::unordered_map<std::string, std::weak_ptr<const Destination>> known_;
  size_t sweep_at_ = 1024;
};

class RouteTable {
 public:
  explicit RouteTable(SettingsPtr settings) : settings_(std::move(settings)) {}

  // `domain` in lower case. `pool` overrides the route's own if not empty. The first route from `from` on that matches; `from` becomes
  // the place behind it. The destination may consist of a router alone.
  Destination find(std::string_view domain, std::string_view pool, size_t& from) const;
  Destination find(std::string_view domain, std::string_view pool) const {
    size_t from = 0;
    return find(domain, pool, from);
  }
  // The recipient's own next hops instead of the table.
  static Destination fixed(NextHops to, std::string_view domain, std::string_view pool, IpPreference ip);
  // Sets how connections are secured, and the name that goes with it.
  static void secure(Destination& destination, TlsPolicySettings policy, bool published = true);
  static TlsPolicySettings policy_of(TlsLevel level);
  static void prove(Destination& destination, std::string credentials);  // the same for how this host authenticates
  const TlsPolicySettings* policy_for(std::string_view domain) const;  // of tls.policies; null: none
  const Settings& settings() const { return *settings_; }

 private:
  static Destination make(const RouteSettings& route, std::string_view domain, std::string_view pool);
  static Destination make(NextHops to, std::string_view domain, std::string_view pool, IpPreference ip);
  SettingsPtr settings_;
};

}  // namespace veredus
