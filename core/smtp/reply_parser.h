// ReplyParser: replies as a next hop sends them, taken from octets that arrive in any pieces. Bounds every line, every reply and its number
// of lines; what breaks the syntax of RFC 5321 4.2 is a protocol error, from which a connection does not recover. Text is kept printable.
// Belongs to one connection.
#pragma once

#include <string>
#include <string_view>

#include "smtp/reply.h"

namespace veredus {

// A reply as Reply::joined() wrote it: "450 4.2.1 busy". Code 0 when the text begins with none.
Reply reply_from_text(std::string_view text);

class ReplyParser {
 public:
  enum class State : uint8_t { partial, complete, broken };

  // Takes whole lines up to the end of one reply; the caller keeps the rest and offers it again together with what follows it.
  // Takes nothing while a complete reply has not been fetched.
  size_t feed(std::string_view octets);
  State state() const { return state_; }
  bool started() const { return total_ > 0; }  // the first lines of a reply have come
  Reply take();                                // when complete; ready for the next one
  const std::string& problem() const { return problem_; }  // when broken: what is wrong, printable

  static constexpr size_t kMaxLine = 2048;
  static constexpr size_t kMaxTotal = 65536;
  static constexpr size_t kMaxLines = 512;

 private:
  void take_line(std::string_view line);
  void take_text(std::string_view text);
  void broken(std::string problem);

  State state_ = State::partial;
  Reply reply_;
  size_t total_ = 0;
  std::string problem_;
};

}  // namespace veredus
