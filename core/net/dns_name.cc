// Checks lengths and octets of names, converts with libidn2, and knows the reverse tree.
#include "net/dns_name.h"

#include <idn2.h>

#include <algorithm>
#include <memory>

#include "base/text.h"

namespace veredus {

namespace {

constexpr size_t kLongestLabel = 63;
constexpr size_t kLongestName = 253;
constexpr std::string_view kReverse4 = ".in-addr.arpa";
constexpr std::string_view kReverse6 = ".ip6.arpa";

Error no_domain(std::string_view name, const char* why) {
  return fail(Errc::invalid, "'" + printable(name, 80) + "' is not a domain name: " + why);
}

// Wider than host names: TXT owners have underscores, SPF macros nearly anything that can be seen.
bool usable_octet(char c) {
  return c > 0x20 && c < 0x7F && c != '\\' && c != '.' && c != '"';
}
bool usable_or_space(char c) { return c == ' ' || usable_octet(c); }

Result<std::string> checked(std::string_view name, bool (*usable)(char) = usable_octet) {
  if (name.empty()) return no_domain(name, "it is empty");
  if (name.size() > kLongestName) return no_domain(name, "it has more than 253 octets");
  for (std::string_view label : split(name, '.')) {
    if (label.empty()) return no_domain(name, "a label is empty");
    if (label.size() > kLongestLabel) return no_domain(name, "a label has more than 63 octets");
    if (!std::all_of(label.begin(), label.end(), usable)) return no_domain(name, "an octet is not allowed");
  }
  return lowered(name);
}

Result<std::string> converted(std::string_view name) {
  if (!is_utf8(name) || name.find('\0') != name.npos) return no_domain(name, "it is not UTF-8");
  char* out = nullptr;
  int code = idn2_to_ascii_8z(std::string(name).c_str(), &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  std::unique_ptr<char, decltype(&idn2_free)> owned(out, &idn2_free);
  if (code != IDN2_OK) return no_domain(name, idn2_strerror(code));
  std::string_view ascii(out);
  if (ascii.ends_with('.')) ascii.remove_suffix(1);
  return checked(ascii);
}

IpAddress reversed_v6(std::string_view nibbles) {
  IpAddress ip;
  if (nibbles.size() != 63) return {};
  ip.family = 6;
  for (size_t i = 0; i < 32; ++i) {
    char c = nibbles[2 * i];
    bool digit = c >= '0' && c <= '9', letter = c >= 'a' && c <= 'f';
    if ((!digit && !letter) || (i < 31 && nibbles[2 * i + 1] != '.')) return {};
    auto value = static_cast<uint8_t>(digit ? c - '0' : c - 'a' + 10);
    ip.octets[15 - i / 2] = static_cast<uint8_t>(ip.octets[15 - i / 2] | value << (i % 2 ? 4 : 0));
  }
  return ip;
}

}  // namespace

Result<std::string> to_ascii_domain(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return is_ascii(name) ? checked(name) : converted(name);
}

Result<std::string> to_query_name(std::string_view name) {
  if (!is_ascii(name)) return to_ascii_domain(name);
  if (name.ends_with('.')) name.remove_suffix(1);
  return checked(name, usable_or_space);
}

std::string wire_name(std::string_view ascii_name) {
  std::string out;
  for (std::string_view label : split(ascii_name, '.')) {
    out.push_back(static_cast<char>(label.size()));
    out.append(label);
  }
  out.push_back('\0');
  return out;
}

std::string reverse_name(const IpAddress& ip) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  if (ip.family == 4) {
    for (int i = 3; i >= 0; --i) out += std::to_string(ip.octets[static_cast<size_t>(i)]) + ".";
    return out + "in-addr.arpa";
  }
  for (size_t i = 16; i-- > 0;) {
    out += {kHex[ip.octets[i] & 15], '.', kHex[ip.octets[i] >> 4], '.'};
  }
  return out + "ip6.arpa";
}

IpAddress address_of_reverse_name(std::string_view name) {
  if (name.ends_with(kReverse6)) return reversed_v6(name.substr(0, name.size() - kReverse6.size()));
  if (!name.ends_with(kReverse4)) return {};
  auto parts = split(name.substr(0, name.size() - kReverse4.size()), '.');
  if (parts.size() != 4) return {};
  IpAddress ip;
  ip.family = 4;
  for (size_t i = 0; i < 4; ++i) {
    auto octet = parse_uint(parts[3 - i], 255);
    if (!octet) return {};
    ip.octets[i] = static_cast<uint8_t>(*octet);
  }
  return ip;
}

bool is_localhost(std::string_view ascii_name) {
  return ascii_name == "localhost" || ascii_name.ends_with(".localhost");
}

}  // namespace veredus
