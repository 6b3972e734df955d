// The key of a triplet: network of the client, sender and recipient, so that the next try, and the next message of the same list, have the
// same one. Values; any thread.
#ifndef VEREDUS_PLUGINS_GREYLIST_TRIPLET_HPP
#define VEREDUS_PLUGINS_GREYLIST_TRIPLET_HPP

#include "common/network.hpp"

namespace greylist {

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

/** One word of a local part. What changes from message to message, a number or a long hexadecimal word, becomes '#'. */
inline std::string folded_word(std::string_view word) {
  const bool has_digit = std::any_of(word.begin(), word.end(), is_digit);
  if (!has_digit) return std::string(word);
  if (word.size() >= 6 && std::all_of(word.begin(), word.end(), is_hex)) return "#";
  std::string out;
  for (char c : word)
    if (!is_digit(c)) out += c;
    else if (out.empty() || out.back() != '#') out += '#';
  return out;
}

/** "bounce-5f3a9c-1=bob" -> "bounce-#-#=bob"; "SRS0=HHHH=TT=a.test=bob" -> "SRS0=#=#=a.test=bob". */
inline std::string folded_local(std::string_view local) {
  std::string out;
  const std::string begin = common::lowered(local.substr(0, 5));
  if (begin == "srs0=" || begin == "srs0+" || begin == "srs0-") {  // hash and day change daily
    const size_t hash_end = local.find('=', 5);
    const size_t day_end = hash_end == local.npos ? local.npos : local.find('=', hash_end + 1);
    if (day_end != local.npos) return std::string(local.substr(0, 5)) + "#=#" + std::string(local.substr(day_end));
  }
  constexpr std::string_view kBetween = "-+=._/";
  for (size_t at = 0; at <= local.size();) {
    const size_t end = std::min(local.find_first_of(kBetween, at), local.size());
    out += folded_word(local.substr(at, end - at));
    if (end < local.size()) out += local[end];
    at = end + 1;
  }
  return out;
}

/** An address with its domain in lower case; of a sender with the local part folded. Empty: the null sender. */
inline std::string normal_sender(std::string_view address) {
  const size_t at = address.rfind('@');
  if (at == address.npos) return folded_local(address);
  return folded_local(address.substr(0, at)) + common::lowered(address.substr(at));
}
inline std::string normal_recipient(std::string_view address) {
  const size_t at = address.rfind('@');
  if (at == address.npos) return std::string(address);
  return std::string(address.substr(0, at)) + common::lowered(address.substr(at));
}

inline std::string client_key(const std::string& network) { return "c " + network; }
inline std::string triplet_key(const std::string& network, std::string_view sender, std::string_view recipient) {
  return common::bounded_key("t " + network + " " + normal_sender(sender) + " " + normal_recipient(recipient));
}

}  // namespace greylist
#endif
