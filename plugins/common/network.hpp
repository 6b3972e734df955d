// What plugins that keep records of clients share: the network of a client, keys that fit the store, events that do not come in floods.
// Values; any thread, a Seldom by one loop.
#ifndef VEREDUS_PLUGINS_COMMON_NETWORK_HPP
#define VEREDUS_PLUGINS_COMMON_NETWORK_HPP

#include "common/patterns.hpp"

namespace common {

using AddressOctets = std::array<uint8_t, 16>;

inline bool is_v4(const AddressOctets& address) {
  constexpr std::array<uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::equal(kMapped.begin(), kMapped.end(), address.begin());
}

/** The network of a client as text: "192.0.2.0/24", "2001:db8::/64". */
inline std::string network_of(AddressOctets address, uint32_t v4_prefix, uint32_t v6_prefix) {
  const bool v4 = is_v4(address);
  const uint32_t bits = v4 ? 96 + std::min(v4_prefix, 32u) : std::min(v6_prefix, 128u);
  for (uint32_t bit = bits; bit < 128; bit++) address[bit / 8] = static_cast<uint8_t>(address[bit / 8] & ~(0x80u >> (bit % 8)));
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? address.data() + 12 : address.data(), text, sizeof text);
  return std::string(text) + "/" + std::to_string(v4 ? bits - 96 : bits);
}

/** A key of core.kv has 512 octets at most: of a longer one the end becomes a digest of all. */
inline std::string bounded_key(std::string key) {
  constexpr size_t kLongest = 512, kKept = 480;
  std::replace(key.begin(), key.end(), '\0', '?');
  if (key.size() <= kLongest) return key;
  uint64_t digest = 0xcbf29ce484222325u;  // FNV-1a
  for (char c : key) digest = (digest ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  key.resize(kKept);
  return key + "#" + std::to_string(digest);
}

/** Entries of a list of settings as patterns; one that is none refuses the configuration with its place. `Conf`: vrd::Conf. */
template <class Pattern, class Conf>
std::vector<Pattern> patterns_of(const Conf& conf, const char* key) {
  std::vector<Pattern> out;
  for (const Conf& one : conf.list(key)) {
    try {
      out.emplace_back(one.text());
    } catch (const std::invalid_argument& error) {
      one.refuse(error.what());
    }
  }
  return out;
}

/** Adds what a core setting lists, which comes joined by commas: vrd::Host::core("relay_networks"). */
template <class Pattern>
void add_patterns(std::vector<Pattern>& to, std::string_view joined) {
  while (!joined.empty()) {
    const size_t end = std::min(joined.find(','), joined.size());
    to.emplace_back(joined.substr(0, end));
    joined.remove_prefix(std::min(end + 1, joined.size()));
  }
}

/** Lets one event through a minute. */
class Seldom {
 public:
  bool now(int64_t mono_ms) {
    if (last_ && mono_ms - *last_ < 60'000) return false;
    last_ = mono_ms;
    return true;
  }

 private:
  std::optional<int64_t> last_;
};

}  // namespace common
#endif
