// Addresses of this host's interfaces.
#include "outbound/own_addresses.h"

#include <ifaddrs.h>
#include <sys/socket.h>

#include <algorithm>

namespace veredus {

namespace {

bool is_wildcard(const IpAddress& ip) {
  return std::all_of(ip.octets.begin(), ip.octets.end(), [](uint8_t octet) { return octet == 0; });
}

}  // namespace

OwnAddresses OwnAddresses::of_host() {
  std::set<IpAddress> out;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return OwnAddresses(std::move(out));
  for (const ifaddrs* entry = list; entry; entry = entry->ifa_next) {
    if (!entry->ifa_addr) continue;
    int family = entry->ifa_addr->sa_family;
    if (family == AF_INET || family == AF_INET6) out.insert(Endpoint::from(entry->ifa_addr).ip);
  }
  freeifaddrs(list);
  return OwnAddresses(std::move(out));
}

bool OwnAddresses::is_self(const Settings& settings, const Endpoint& to) const {
  return std::any_of(settings.listeners.begin(), settings.listeners.end(), [&](const ListenerSettings& listener) {
    if (listener.address.port != to.port) return false;
    if (listener.address.ip == to.ip) return true;
    bool covers = is_wildcard(listener.address.ip) && (listener.address.ip.family == 6 || to.ip.family == 4);
    return covers && (to.ip.is_loopback() || is_wildcard(to.ip) || addresses_.contains(to.ip));
  });
}

bool OwnAddresses::has_ipv6() const {
  return std::any_of(addresses_.begin(), addresses_.end(), [](const IpAddress& ip) {
    return ip.family == 6 && (ip.octets[0] & 0xE0) == 0x20;  // 2000::/3
  });
}

}  // namespace veredus
