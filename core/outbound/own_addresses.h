// OwnAddresses: is an endpoint one of our own listeners? A listener on a wildcard address stands for every address of this host.
// Values read once; any thread.
#pragma once

#include <set>

#include "config/settings.h"

namespace veredus {

class OwnAddresses {
 public:
  static OwnAddresses of_host();  // asks the system for the addresses of its interfaces
  explicit OwnAddresses(std::set<IpAddress> addresses) : addresses_(std::move(addresses)) {}

  bool is_self(const Settings& settings, const Endpoint& to) const;
  bool has_ipv6() const;  // a global address: IPv6 next hops can be reached

 private:
  std::set<IpAddress> addresses_;
};

}  // namespace veredus
