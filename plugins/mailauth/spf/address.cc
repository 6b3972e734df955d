#include "mailauth/spf/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace mailauth::spf {

namespace {

constexpr size_t kLongest = 45;

bool parse(int family, std::string_view text, uint8_t* out) {
  char copy[kLongest + 1] = {};
  if (text.size() > kLongest || text.find('\0') != text.npos) return false;
  std::copy(text.begin(), text.end(), copy);
  return inet_pton(family, copy, out) == 1;
}

}  // namespace

bool Address::within(const Address& network, uint32_t bits) const {
  if (v4 != network.v4) return false;
  size_t whole = bits / 8, rest = bits % 8;
  if (std::memcmp(octets.data(), network.octets.data(), whole) != 0) return false;
  return rest == 0 || (octets[whole] ^ network.octets[whole]) >> (8 - rest) == 0;
}

std::string Address::dotted() const {
  if (v4) return readable();
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (uint8_t octet : octets) out.append(out.empty() ? "" : ".").append({kHex[octet >> 4], '.', kHex[octet & 15]});
  return out;
}

std::string Address::readable() const {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(v4 ? AF_INET : AF_INET6, octets.data(), text, sizeof text);
  return text;
}

std::string Address::reverse_name() const {
  std::string out;
  for (size_t i = v4 ? 4 : 16; i-- > 0;) {
    if (v4) out += std::to_string(octets[i]) + ".";
    else out.append({"0123456789abcdef"[octets[i] & 15], '.', "0123456789abcdef"[octets[i] >> 4], '.'});
  }
  return out + (v4 ? "in-addr.arpa" : "ip6.arpa");
}

std::optional<Address> read_v4(std::string_view text) {
  Address out;
  out.v4 = true;
  if (!parse(AF_INET, text, out.octets.data())) return std::nullopt;
  return out;
}

std::optional<Address> read_v6(std::string_view text) {
  Address out;
  if (!parse(AF_INET6, text, out.octets.data())) return std::nullopt;
  return out;
}

std::optional<Address> read_client(std::string_view text) {
  constexpr std::array<uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (auto v4 = read_v4(text)) return v4;
  auto out = read_v6(text);
  if (!out || !std::equal(kMapped.begin(), kMapped.end(), out->octets.begin())) return out;
  Address v4;
  v4.v4 = true;
  std::copy(out->octets.begin() + 12, out->octets.end(), v4.octets.begin());
  return v4;
}

}  // namespace mailauth::spf
