// IP addresses, endpoints and networks as values. IPv4-mapped IPv6 addresses are kept as IPv4. Any thread.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct sockaddr;
struct sockaddr_storage;

namespace veredus {

struct IpAddress {
  std::array<uint8_t, 16> octets{};
  uint8_t family = 0;  // 0 none, 4, 6

  auto operator<=>(const IpAddress&) const = default;
  explicit operator bool() const { return family != 0; }
  bool is_loopback() const;
  std::string text() const;
  std::string literal() const;  // RFC 5321 address literal: "[127.0.0.1]" or "[IPv6:::1]"
  static std::optional<IpAddress> parse(std::string_view text);          // without brackets
  static std::optional<IpAddress> parse_literal(std::string_view text);  // "[...]" as in RFC 5321 4.1.3
};

struct Endpoint {
  IpAddress ip;
  uint16_t port = 0;

  auto operator<=>(const Endpoint&) const = default;
  std::string text() const;  // "127.0.0.1:25" or "[::1]:25"
  static std::optional<Endpoint> parse(std::string_view text, uint16_t default_port = 0);
  static Endpoint from(const sockaddr* address);
  unsigned to(sockaddr_storage* out) const;  // returns the length
};

struct Network {
  IpAddress ip;
  uint8_t prefix = 0;

  bool operator==(const Network&) const = default;
  bool contains(const IpAddress& address) const;
  std::string text() const;
  static std::optional<Network> parse(std::string_view text);  // "10.0.0.0/8", "::1"; host bits must be zero
};

bool contains(const std::vector<Network>& networks, const IpAddress& address);

}  // namespace veredus
