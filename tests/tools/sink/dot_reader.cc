// Implementation of the data reader: a five-state machine whose text state moves by whole lines.
#include "sink/dot_reader.h"

namespace veredus::tools {

// From the middle of a line to the beginning of the next, or to the end of the input.
std::size_t DotReader::pass_text(std::string_view input, std::size_t at) {
  const auto start = at;
  while (true) {
    const auto end = input.find('\n', at);
    if (end == std::string_view::npos) {
      state_ = input.back() == '\r' ? State::kCr : State::kText;
      return input.size();
    }
    at = end + 1;
    if (end > start && input[end - 1] == '\r') break;
  }
  state_ = State::kLineStart;
  return at;
}

DotReader::Progress DotReader::feed(std::string_view input, Receiver& receiver) {
  std::size_t from = 0;  // the first octet not yet handed on
  std::size_t at = 0;
  while (at < input.size()) {
    const char c = input[at];
    switch (state_) {
      case State::kText:
        at = pass_text(input, at);
        break;
      case State::kCr:
        state_ = c == '\n' ? State::kLineStart : State::kText;
        if (c == '\n') ++at;
        break;
      case State::kLineStart:
        state_ = c == '.' ? State::kDot : State::kText;
        if (c != '.') break;
        if (at > from) receiver.take(input.substr(from, at - from));
        from = ++at;
        break;
      case State::kDot:
        state_ = c == '\r' ? State::kDotCr : State::kText;
        if (c == '\r') from = ++at;
        break;
      case State::kDotCr:
        if (c == '\n') return {at + 1, true};
        receiver.take("\r");
        state_ = State::kText;
        break;
    }
  }
  if (from < input.size()) receiver.take(input.substr(from));
  return {input.size(), false};
}

}  // namespace veredus::tools
