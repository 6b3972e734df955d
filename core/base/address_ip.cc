// IP addresses, endpoints and networks: parsing and printing.
#include "base/address_ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace veredus {

namespace {

constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

IpAddress from_v6(const uint8_t* octets) {
  IpAddress out;
  if (std::memcmp(octets, kMappedPrefix, sizeof kMappedPrefix) == 0) {
    out.family = 4;
    std::memcpy(out.octets.data(), octets + 12, 4);
  } else {
    out.family = 6;
    std::memcpy(out.octets.data(), octets, 16);
  }
  return out;
}

int width_of(const IpAddress& ip) { return ip.family == 4 ? 32 : 128; }

bool bit_at(const IpAddress& ip, int bit) { return ip.octets[bit / 8] >> (7 - bit % 8) & 1; }

}  // namespace

bool IpAddress::is_loopback() const {
  if (family == 4) return octets[0] == 127;
  return family == 6 && octets[15] == 1 && std::all_of(octets.begin(), octets.end() - 1, [](uint8_t o) { return o == 0; });
}

std::string IpAddress::text() const {
  if (family == 0) return "";
  char out[INET6_ADDRSTRLEN];
  inet_ntop(family == 4 ? AF_INET : AF_INET6, octets.data(), out, sizeof out);
  return out;
}

std::string IpAddress::literal() const { return (family == 6 ? "[IPv6:" : "[") + text() + "]"; }

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN) return std::nullopt;
  std::string copy(text);
  uint8_t octets[16];
  if (inet_pton(AF_INET, copy.c_str(), octets) == 1) {
    IpAddress out;
    out.family = 4;
    std::memcpy(out.octets.data(), octets, 4);
    return out;
  }
  if (inet_pton(AF_INET6, copy.c_str(), octets) == 1) return from_v6(octets);
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::parse_literal(std::string_view text) {
  if (text.size() < 3 || text.front() != '[' || text.back() != ']') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  bool tagged = istarts_with(text, "IPv6:");
  if (tagged) text.remove_prefix(5);
  auto ip = parse(text);
  bool has_colon = text.find(':') != std::string_view::npos;
  return ip && tagged == has_colon ? ip : std::nullopt;
}

std::string Endpoint::text() const {
  std::string host = ip.family == 6 ? "[" + ip.text() + "]" : ip.text();
  return host + ":" + std::to_string(port);
}

std::optional<Endpoint> Endpoint::parse(std::string_view text, uint16_t default_port) {
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    host = text.substr(1, close - 1);
    std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') return std::nullopt;
    if (!rest.empty()) port = rest.substr(1);
    if (!rest.empty() && port.empty()) return std::nullopt;
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    size_t colon = text.find(':');
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (port.empty()) return std::nullopt;
  }
  auto ip = IpAddress::parse(host);
  auto number = port.empty() ? std::optional<uint64_t>(default_port) : parse_uint(port, 65535);
  if (!ip || !number) return std::nullopt;
  return Endpoint{*ip, static_cast<uint16_t>(*number)};
}

Endpoint Endpoint::from(const sockaddr* address) {
  Endpoint out;
  if (address->sa_family == AF_INET) {
    auto* in = reinterpret_cast<const sockaddr_in*>(address);
    out.ip.family = 4;
    std::memcpy(out.ip.octets.data(), &in->sin_addr, 4);
    out.port = ntohs(in->sin_port);
  } else if (address->sa_family == AF_INET6) {
    auto* in = reinterpret_cast<const sockaddr_in6*>(address);
    out.ip = from_v6(in->sin6_addr.s6_addr);
    out.port = ntohs(in->sin6_port);
  }
  return out;
}

unsigned Endpoint::to(sockaddr_storage* out) const {
  std::memset(out, 0, sizeof *out);
  if (ip.family == 4) {
    auto* in = reinterpret_cast<sockaddr_in*>(out);
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    std::memcpy(&in->sin_addr, ip.octets.data(), 4);
    return sizeof *in;
  }
  auto* in = reinterpret_cast<sockaddr_in6*>(out);
  in->sin6_family = AF_INET6;
  in->sin6_port = htons(port);
  std::memcpy(&in->sin6_addr, ip.octets.data(), 16);
  return sizeof *in;
}

bool Network::contains(const IpAddress& address) const {
  if (address.family != ip.family) return false;
  for (int bit = 0; bit < prefix; ++bit)
    if (bit_at(ip, bit) != bit_at(address, bit)) return false;
  return true;
}

std::string Network::text() const { return ip.text() + "/" + std::to_string(prefix); }

std::optional<Network> Network::parse(std::string_view text) {
  size_t slash = text.find('/');
  auto ip = IpAddress::parse(text.substr(0, slash));
  if (!ip) return std::nullopt;
  int width = width_of(*ip);
  if (slash == std::string_view::npos) return Network{*ip, static_cast<uint8_t>(width)};
  auto prefix = parse_uint(text.substr(slash + 1), static_cast<uint64_t>(width));
  if (!prefix) return std::nullopt;
  for (int bit = static_cast<int>(*prefix); bit < width; ++bit)
    if (bit_at(*ip, bit)) return std::nullopt;
  return Network{*ip, static_cast<uint8_t>(*prefix)};
}

bool contains(const std::vector<Network>& networks, const IpAddress& address) {
  return std::any_of(networks.begin(), networks.end(), [&](const Network& n) { return n.contains(address); });
}

}  // namespace veredus
