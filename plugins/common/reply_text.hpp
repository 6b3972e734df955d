// Texts of replies as they are written in rules and tables: "5.7.26 Go away" is a status and a text. Values; any thread.
#ifndef VEREDUS_PLUGINS_COMMON_REPLY_TEXT_HPP
#define VEREDUS_PLUGINS_COMMON_REPLY_TEXT_HPP

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <string>
#include <string_view>

#include "common/patterns.hpp"

namespace common {

struct ReplyText {
  std::string enhanced, text;
};

/** "D.1.2": the class digit fits, three numbers below 1000. */
inline bool is_status(std::string_view word, char digit) {
  const size_t second = word.find('.', 2);
  const auto number = [](std::string_view part) {
    unsigned value = 1000;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    return error == std::errc() && end == part.data() + part.size() && value < 256;
  };
  return word.size() >= 5 && word[0] == digit && word[1] == '.' && second != word.npos && number(word.substr(2, second - 2)) && number(word.substr(second + 1));
}

/** `digit` is '4' or '5'; `status` stands where the reply names none: "7.1". Throws std::invalid_argument for what no reply may hold. */
inline ReplyText reply_text(std::string_view reply, char digit, std::string_view status) {
  if (!is_printable(reply)) throw std::invalid_argument("a reply is printable ASCII");
  if (reply.size() > 400) throw std::invalid_argument("a reply has at most 400 octets");
  const size_t blank = reply.find(' ');
  if (blank != reply.npos && is_status(reply.substr(0, blank), digit)) return {std::string(reply.substr(0, blank)), std::string(reply.substr(blank + 1))};
  return {std::string(1, digit) + "." + std::string(status), std::string(reply)};
}

}  // namespace common
#endif
