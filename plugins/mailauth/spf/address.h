// Addresses as SPF compares them. Values; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mailauth::spf {

struct Address {
  bool v4 = false;
  std::array<uint8_t, 16> octets{};  // of IPv4 the first four

  // Whether the first `bits` are the same, and the family.
  bool within(const Address& network, uint32_t bits) const;
  std::string dotted() const;    // %{i}
  std::string readable() const;  // %{c}
  std::string reverse_name() const;
};

std::optional<Address> read_v4(std::string_view text);
std::optional<Address> read_v6(std::string_view text);

// Of a client: an IPv4 address in IPv6 is an IPv4 address (RFC 7208 5).
std::optional<Address> read_client(std::string_view text);

}  // namespace mailauth::spf
