// A message as a command gets it on standard input: lines may end with a bare LF, as files have them. What is hashed and sent has CRLF. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace mailauth {

struct MessageInput {
  std::string octets;  // with CRLF throughout
  bool bare = false;   // the input had no CRLF at all: what is written back has none either
};

inline MessageInput message_input(std::string_view input) {
  MessageInput out;
  out.bare = input.find("\r\n") == std::string_view::npos;
  out.octets.reserve(input.size() + input.size() / 32);
  for (size_t i = 0; i < input.size(); ++i) {
    if (input[i] == '\n' && (i == 0 || input[i - 1] != '\r')) out.octets += '\r';
    out.octets += input[i];
  }
  return out;
}

// With the line ends of the input.
inline std::string as_input(const MessageInput& input, std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i)
    if (!(input.bare && text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n')) out += text[i];
  return out;
}

}  // namespace mailauth
