// What lists in rules are made of: networks, patterns on domains, patterns on addresses. Values; any thread.
#ifndef VEREDUS_PLUGINS_COMMON_PATTERNS_HPP
#define VEREDUS_PLUGINS_COMMON_PATTERNS_HPP

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "common/text.hpp"

namespace common {

inline bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

/** Network order; IPv4 as ::ffff:a.b.c.d. Nothing for what is no address. */
inline std::optional<std::array<uint8_t, 16>> address_octets(std::string_view text) {
  std::array<uint8_t, 16> out{};
  const std::string copy(text);
  if (text.size() > 64 || text.find('\0') != text.npos) return std::nullopt;
  if (inet_pton(AF_INET6, copy.c_str(), out.data()) == 1) return out;
  out = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (inet_pton(AF_INET, copy.c_str(), out.data() + 12) == 1) return out;
  return std::nullopt;
}

/** "192.0.2.0/24", "2001:db8::/32", "192.0.2.1". */
class NetworkPattern {
 public:
  explicit NetworkPattern(std::string_view text) {
    const size_t slash = text.find('/');
    const auto octets = address_octets(text.substr(0, slash));
    const bool v4 = text.find(':') == text.npos;
    uint32_t most = v4 ? 32 : 128, prefix = most;
    if (slash != text.npos) {
      const char* end = text.data() + text.size();
      const auto [at, error] = std::from_chars(text.data() + slash + 1, end, prefix);
      if (error != std::errc() || at != end) prefix = most + 1;
    }
    if (!octets || prefix > most) throw std::invalid_argument("'" + std::string(text) + "' is not an address or network");
    octets_ = *octets;
    bits_ = v4 ? prefix + 96 : prefix;
  }
  bool matches(const std::array<uint8_t, 16>& address) const {
    const size_t whole = bits_ / 8, rest = bits_ % 8;
    if (std::memcmp(address.data(), octets_.data(), whole) != 0) return false;
    return rest == 0 || ((address[whole] ^ octets_[whole]) >> (8 - rest)) == 0;
  }

 private:
  std::array<uint8_t, 16> octets_{};
  size_t bits_ = 0;
};

/** "a.test": that one; ".a.test": any depth below it; "*": all. The domain in lower case. */
class DomainPattern {
 public:
  explicit DomainPattern(std::string_view text) : text_(lowered(text)) {
    if (text_.empty() || text_ == "." || (text_ != "*" && text_.find_first_of("*@ \t") != text_.npos))
      throw std::invalid_argument("'" + std::string(text) + "' is not a domain pattern (a.test, .a.test or *)");
  }
  bool matches(std::string_view domain) const {
    if (domain.empty()) return false;
    if (text_ == "*") return true;
    if (text_.front() != '.') return domain == text_;
    return domain.size() > text_.size() && domain.ends_with(text_);
  }

 private:
  std::string text_;
};

/** "u@a.test", "@a.test", ".a.test" (any depth below), "u@" (at any domain), "<>" (the null sender), "*". Case does not count. */
class AddressPattern {
 public:
  explicit AddressPattern(std::string_view text) : text_(lowered(text)) {
    const size_t at = text_.rfind('@');
    const bool blank = text_.find_first_of(" \t\r\n") != text_.npos && text_.find('"') == text_.npos;
    if (text_ == "*") kind_ = Kind::all;
    else if (text_ == "<>") kind_ = Kind::null_sender;
    else if (text_.size() < 2 || blank || text_.find('\0') != text_.npos) kind_ = Kind::wrong;
    else if (at == 0) kind_ = Kind::domain, text_.erase(0, 1);
    else if (at == text_.size() - 1) kind_ = Kind::local, text_.pop_back();
    else if (at != text_.npos) kind_ = Kind::exact;
    else if (text_.front() == '.') kind_ = Kind::below;
    if (kind_ == Kind::wrong || (text_.find('*') != text_.npos && kind_ != Kind::all && kind_ != Kind::exact && kind_ != Kind::local))
      throw std::invalid_argument("'" + std::string(text) + "' is not an address pattern (user@a.test, @a.test, .a.test, user@, <> or *)");
    if (kind_ == Kind::exact && text_.starts_with("*@")) throw std::invalid_argument("'" + std::string(text) + "': write '" + text_.substr(1) + "'");
  }
  /** The address without brackets; empty: the null sender. */
  bool matches(std::string_view address) const { return matches_folded(lowered(address)); }
  bool matches_folded(std::string_view all) const {
    const size_t at = all.rfind('@');
    const std::string_view local = all.substr(0, at), domain = at == all.npos ? std::string_view() : all.substr(at + 1);
    switch (kind_) {
      case Kind::all: return true;
      case Kind::null_sender: return all.empty();
      case Kind::exact: return all == text_;
      case Kind::domain: return domain == text_;
      case Kind::below: return domain.size() > text_.size() && domain.ends_with(text_);
      case Kind::local: return !all.empty() && local == text_;
      case Kind::wrong: break;
    }
    return false;
  }

 private:
  enum class Kind { wrong, exact, domain, below, local, null_sender, all };
  std::string text_;
  Kind kind_ = Kind::wrong;
};

/** Whether any of them matches. */
template <class Pattern, class Value>
bool any_matches(const std::vector<Pattern>& patterns, const Value& value) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const Pattern& one) { return one.matches(value); });
}

/** Whether any of them matches an address, which is folded once. */
inline bool any_folded(const std::vector<AddressPattern>& patterns, std::string_view address) {
  const std::string folded = lowered(address);
  return std::any_of(patterns.begin(), patterns.end(), [&](const AddressPattern& one) { return one.matches_folded(folded); });
}

}  // namespace common
#endif
