// Text in ASCII: letters in lower case, blanks around it away. Values; any thread.
#ifndef VEREDUS_PLUGINS_COMMON_TEXT_HPP
#define VEREDUS_PLUGINS_COMMON_TEXT_HPP

#include <string>
#include <string_view>

namespace common {

inline std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

inline std::string_view trimmed(std::string_view text, std::string_view blanks = " \t\r\n") {
  const size_t from = text.find_first_not_of(blanks);
  return from == text.npos ? std::string_view() : text.substr(from, text.find_last_not_of(blanks) - from + 1);
}

}  // namespace common
#endif
