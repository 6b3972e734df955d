// The data of one record in wire format, as libunbound hands it over, turned into what svc.resolver wants. Without the SDK. Values; any thread.
#ifndef VEREDUS_RESOLVER_UNBOUND_RDATA_HPP
#define VEREDUS_RESOLVER_UNBOUND_RDATA_HPP

#include <arpa/inet.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace resolver_unbound {

enum Type : uint32_t { kA = 1, kNs = 2, kCname = 5, kSoa = 6, kPtr = 12, kMx = 15, kTxt = 16, kAaaa = 28, kTlsa = 52 };

struct Rdata {
  uint32_t preference = 0;
  std::string text, data;
};

inline unsigned octet(std::string_view wire, size_t at) { return static_cast<unsigned char>(wire[at]); }

/** Octets that could be mistaken for structure are written as \DDD, so such a name is never taken for another one. */
inline void append_label(std::string& out, std::string_view label) {
  for (const char c : label) {
    if (c > 0x20 && c < 0x7F && c != '.' && c != '\\') {
      out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
      continue;
    }
    const unsigned value = static_cast<unsigned char>(c);
    out += {'\\', static_cast<char>('0' + value / 100), static_cast<char>('0' + value / 10 % 10), static_cast<char>('0' + value % 10)};
  }
}

/** A name without compression that is all of `wire`, in lower case without a dot at the end; the root is empty. */
inline std::optional<std::string> name_text(std::string_view wire) {
  std::string out;
  while (!wire.empty()) {
    const size_t length = octet(wire, 0);
    if (length == 0) return wire.size() == 1 ? std::optional(out) : std::nullopt;
    if (length > 63 || wire.size() <= length) return std::nullopt;
    if (!out.empty()) out.push_back('.');
    append_label(out, wire.substr(1, length));
    wire.remove_prefix(length + 1);
  }
  return std::nullopt;
}

/** The strings of a TXT record, joined. */
inline std::optional<std::string> joined(std::string_view wire) {
  std::string out;
  while (!wire.empty()) {
    const size_t length = octet(wire, 0);
    if (wire.size() <= length) return std::nullopt;
    out += wire.substr(1, length);
    wire.remove_prefix(length + 1);
  }
  return out;
}

inline std::optional<Rdata> address(std::string_view wire, int family, size_t size) {
  char text[INET6_ADDRSTRLEN] = {};
  if (wire.size() != size || inet_ntop(family, wire.data(), text, sizeof text) == nullptr) return std::nullopt;
  return Rdata{0, text, std::string(wire)};
}

inline std::optional<Rdata> named(std::string_view wire, uint32_t preference = 0) {
  auto name = name_text(wire);
  if (!name) return std::nullopt;
  return Rdata{preference, std::move(*name), {}};
}

/** Of a start of authority only the name of the server is told. */
inline std::optional<Rdata> authority(std::string_view wire) {
  size_t end = 0;
  while (end < wire.size() && octet(wire, end) != 0) end += octet(wire, end) + 1;
  return end < wire.size() ? named(wire.substr(0, end + 1)) : std::nullopt;
}

/** Nothing when the octets are no data of this type. */
inline std::optional<Rdata> read_rdata(uint32_t type, std::string_view wire) {
  switch (type) {
    case kA: return address(wire, AF_INET, 4);
    case kAaaa: return address(wire, AF_INET6, 16);
    case kMx: return wire.size() < 3 ? std::nullopt : named(wire.substr(2), octet(wire, 0) << 8 | octet(wire, 1));
    case kSoa: return authority(wire);
    case kTlsa: return Rdata{0, {}, std::string(wire)};
    case kTxt: {
      auto text = joined(wire);
      return text ? std::optional(Rdata{0, std::move(*text), {}}) : std::nullopt;
    }
    default: return named(wire);
  }
}

}  // namespace resolver_unbound
#endif
