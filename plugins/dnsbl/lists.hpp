// What is asked of a list and what its answers mean, without the SDK. Values; any thread.
#ifndef VEREDUS_PLUGINS_DNSBL_LISTS_HPP
#define VEREDUS_PLUGINS_DNSBL_LISTS_HPP

#include "common/network.hpp"

namespace dnsbl {

enum Kind : size_t { client, helo, sender_domain, kKinds };

/** One list; the weight of one that speaks for its entries is negative. */
struct List {
  std::string name, zone, text;
  int64_t weight = 1;
  Kind kind = client;
  std::vector<common::NetworkPattern> codes;  // none: all of 127.0.0.0/8
};

/** "2.0.0.127", or the nibbles of an IPv6 address. */
inline std::string reversed(const common::AddressOctets& address) {
  std::string out;
  if (common::is_v4(address)) {
    for (size_t i = 16; i-- > 12;) out += std::to_string(address[i]) + (i > 12 ? "." : "");
    return out;
  }
  constexpr char kHex[] = "0123456789abcdef";
  for (size_t i = 16; i-- > 0;) {
    out += kHex[address[i] & 15];
    out += '.';
    out += kHex[address[i] >> 4];
    if (i > 0) out += '.';
  }
  return out;
}

/** Whether a name that a client gave may be asked about: a domain with a dot in it, no address. */
inline bool is_domain(std::string_view name) {
  if (name.size() > 253 || name.find('.') == name.npos) return false;
  size_t label = 0;
  for (char c : name) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (c != '.' && !fits) return false;
    if (c == '.' && label == 0) return false;
    label = c == '.' ? 0 : label + 1;
    if (label > 63) return false;
  }
  const std::string_view last = name.substr(name.rfind('.') + 1);
  return !last.empty() && !std::all_of(last.begin(), last.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/** The name to ask for; empty when this subject is not asked about. */
inline std::string question(const List& list, std::string_view subject) {
  std::string front;
  if (list.kind == client) {
    const auto address = common::address_octets(subject);
    if (address) front = reversed(*address);
  } else {
    front = common::lowered(subject);
    if (!front.empty() && front.back() == '.') front.pop_back();
    if (!is_domain(front)) front.clear();
  }
  if (front.empty() || front.size() + 1 + list.zone.size() > 253) return {};
  return front + "." + list.zone;
}

enum class Answer { clear, listed, wrong };

/** What one address of an answer means. Lists say by 127.255.255.x that they do not answer this resolver, and what is outside of
 *  127.0.0.0/8 comes from a zone that is no list any more: that must not refuse everybody. */
inline Answer meaning(const List& list, std::string_view text) {
  const auto address = common::address_octets(text);
  static const common::NetworkPattern kLoopback("127.0.0.0/8"), kErrors("127.255.255.0/24");
  if (!address || !kLoopback.matches(*address) || kErrors.matches(*address)) return Answer::wrong;
  return list.codes.empty() || common::any_matches(list.codes, *address) ? Answer::listed : Answer::clear;
}

/** Text from outside for a reply: printable, bounded. */
inline std::string printable(std::string_view text, size_t most) {
  std::string out;
  for (char c : text.substr(0, most)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return out;
}

struct Words {
  std::string client, name, zone, text;
};

/** Fills {client}, {name}, {zone} and {text}. */
inline std::string filled(std::string_view pattern, const Words& words) {
  std::string out;
  const std::pair<std::string_view, const std::string&> kPlaces[] = {{"{client}", words.client}, {"{name}", words.name}, {"{zone}", words.zone}, {"{text}", words.text}};
  for (size_t at = 0; at < pattern.size();) {
    const auto place = std::find_if(std::begin(kPlaces), std::end(kPlaces), [&](const auto& one) { return pattern.substr(at).starts_with(one.first); });
    if (place == std::end(kPlaces)) {
      out += pattern[at++];
      continue;
    }
    out += place->second;
    at += place->first.size();
  }
  return printable(out, 450);
}

/** What the list says of its entry is put behind when the reply has no place for it. */
inline std::string reply(std::string_view pattern, const Words& words) {
  const bool has_place = pattern.find("{text}") != pattern.npos;
  return filled(std::string(pattern) + (has_place ? "" : words.text.empty() ? "; its operator can say why" : ": {text}"), words);
}

}  // namespace dnsbl
#endif
