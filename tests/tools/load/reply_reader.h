// Turns received bytes into SMTP replies. Lines and replies have a cap, so that a hostile server costs
// bounded memory; bad() says that what came is not SMTP.
#pragma once

#include <string>
#include <string_view>

namespace veredus::tools {

struct Reply {
  int code = 0;
  std::string text;  // of all lines, joined by '\n', without codes
};

class ReplyReader {
 public:
  void feed(std::string_view bytes) { buffer_ += bytes; }
  /// True when `reply` now holds the next whole reply.
  bool next(Reply& reply);
  bool bad() const { return bad_; }
  void clear();

 private:
  bool take_line(std::string_view line, Reply& reply);

  std::string buffer_;
  std::size_t start_ = 0;
  bool in_reply_ = false;
  bool bad_ = false;
};

}  // namespace veredus::tools
