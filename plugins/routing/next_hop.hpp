// Next hops as rules and tables write them: "smtp://a.test|smtp://b.test*3, lmtp://c.test:24": comma = fail-over, bar = balanced, star =
// weight. And targets of tables: next hops, "reject TEXT", "defer TEXT". Values; any thread.
#ifndef VEREDUS_PLUGINS_ROUTING_NEXT_HOP_HPP
#define VEREDUS_PLUGINS_ROUTING_NEXT_HOP_HPP

#include <vector>

#include "common/reply_text.hpp"

namespace routing {

constexpr size_t kLongestHops = 1024, kMostHops = 32;

namespace detail {

inline std::string_view stripped(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

inline std::vector<std::string_view> parts_of(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(separator, at), text.size());
    out.push_back(stripped(text.substr(at, end - at)));
    at = end + 1;
  }
  return out;
}

inline bool is_number(std::string_view text, uint32_t most) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 1 && value <= most;
}

inline bool is_of(std::string_view text, std::string_view allowed, size_t most) {
  return !text.empty() && text.size() <= most && text.find_first_not_of(allowed) == text.npos;
}

inline bool is_host(std::string_view text) {
  return is_of(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", 253) && text.front() != '.' && text.find("..") == text.npos;
}

/** "a.test", "a.test:25", "[2001:db8::1]:25". */
inline bool is_authority(std::string_view text, bool needs_port) {
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == text.npos || text.find(':') > end || !common::address_octets(text.substr(1, end - 1))) return false;
    text.remove_prefix(end + 1);
    return text.empty() ? !needs_port : text.front() == ':' && is_number(text.substr(1), 65'535);
  }
  const size_t colon = text.find(':');
  if (!is_host(text.substr(0, colon))) return false;
  return colon == text.npos ? !needs_port : is_number(text.substr(colon + 1), 65'535);
}

inline bool is_plugin(std::string_view text) {
  const size_t slash = text.find('/');
  const std::string_view argument = slash == text.npos ? std::string_view() : text.substr(slash + 1);
  return is_of(text.substr(0, slash), "abcdefghijklmnopqrstuvwxyz0123456789.-", 64) && argument.size() <= 255 &&
         std::all_of(argument.begin(), argument.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

inline bool is_hop(std::string_view text) {
  if (text == "mx") return true;
  if (text.starts_with("mx:")) return is_host(text.substr(3));
  if (text.starts_with("smtp://")) return is_authority(text.substr(7), false);
  if (text.starts_with("lmtp:///")) return text.size() > 8 && text.size() <= 7 + 107 && text.find(' ') == text.npos;
  if (text.starts_with("lmtp://")) return is_authority(text.substr(7), true);
  return text.starts_with("plugin:") && is_plugin(text.substr(7));
}

inline void check_hop(std::string_view text) {
  const size_t star = text.rfind('*');
  const std::string_view weight = star == text.npos ? std::string_view() : text.substr(star + 1);
  const bool weighted = !weight.empty() && weight.find_first_not_of("0123456789") == weight.npos;
  if (weighted && !is_number(weight, 100)) throw std::invalid_argument("'" + std::string(text) + "': a weight is 1 to 100");
  if (text.starts_with("router:")) throw std::invalid_argument("'" + std::string(text) + "': a router stands in the routes of the core only");
  if (!is_hop(weighted ? text.substr(0, star) : text))
    throw std::invalid_argument("'" + std::string(text) + "' is not a next hop (smtp://HOST[:25], mx, mx:DOMAIN, lmtp://HOST:PORT, lmtp:///PATH, plugin:NAME)");
}

/** "lmtp:[127.0.0.1]:8024", "lmtp:inet:host:24", "lmtp:unix:/path", "smtp:[host]:25", as other programs write transports (Mailman its map of
 *  lists), in our form; anything else as it is. */
inline std::string from_transport(std::string_view text) {
  for (std::string_view scheme : {"lmtp:", "smtp:"}) {
    if (!text.starts_with(scheme) || text.substr(scheme.size()).starts_with("//")) continue;
    std::string_view rest = text.substr(scheme.size());
    if (rest.starts_with("unix:/")) return "lmtp://" + std::string(rest.substr(5));
    if (rest.starts_with("inet:")) return std::string(scheme) + "//" + std::string(rest.substr(5));
    const size_t end = rest.find(']');
    if (!rest.starts_with('[') || end == rest.npos) break;
    std::string host(rest.substr(1, end - 1));
    if (host.find(':') != host.npos) host = "[" + host + "]";
    return std::string(scheme) + "//" + host + std::string(rest.substr(end + 1));
  }
  return std::string(text);
}

}  // namespace detail

/** The same text without blanks. Throws std::invalid_argument. */
inline std::string next_hops(std::string_view text) {
  std::string out;
  size_t count = 0;
  for (std::string_view balanced : detail::parts_of(text, ',')) {
    std::string group;
    for (std::string_view hop : detail::parts_of(balanced, '|')) {
      detail::check_hop(hop);
      group += (group.empty() ? "" : "|") + std::string(hop);
      count++;
    }
    out += (out.empty() ? "" : ",") + group;
  }
  if (out.size() > kLongestHops || count > kMostHops) throw std::invalid_argument("more than 32 next hops, or than 1024 octets of them");
  return out;
}

/** Where a recipient goes: next hops, or a refusal. */
struct Target {
  int32_t refusal = 0;  // 0: next hops; 4 or 5
  std::string hops;
  common::ReplyText reply = {};

  /** A value of a table. Throws std::invalid_argument. */
  static Target parse(std::string_view value) {
    const std::string_view text = detail::stripped(value);
    const size_t blank = std::min(text.find(' '), text.size());
    const std::string word = common::lowered(text.substr(0, blank));
    const std::string_view rest = detail::stripped(text.substr(blank));
    if (word == "reject") return {5, {}, common::reply_text(rest.empty() ? "There is no such recipient here" : rest, '5', "1.1")};
    if (word == "defer") return {4, {}, common::reply_text(rest.empty() ? "This recipient takes no mail for now, try again later" : rest, '4', "2.1")};
    return {0, next_hops(detail::from_transport(text)), {}};
  }
};

}  // namespace routing
#endif
