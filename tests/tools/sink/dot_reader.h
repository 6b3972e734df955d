// Reads message data as DATA sends it: finds CRLF.CRLF whatever the borders of the input, takes away the
// stuffed dots, and hands on everything else octet for octet in pieces as long as possible.
#pragma once

#include <cstddef>
#include <string_view>

namespace veredus::tools {

class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual void take(std::string_view octets) = 0;
};

class DotReader {
 public:
  struct Progress {
    std::size_t used = 0;
    bool ended = false;
  };
  void start() { state_ = State::kLineStart; }
  Progress feed(std::string_view input, Receiver& receiver);

 private:
  // kDot and kDotCr hold back "." and ".\r" of a line's beginning; kCr has handed the CR on.
  enum class State { kLineStart, kDot, kDotCr, kText, kCr };
  std::size_t pass_text(std::string_view input, std::size_t at);

  State state_ = State::kLineStart;
};

}  // namespace veredus::tools
