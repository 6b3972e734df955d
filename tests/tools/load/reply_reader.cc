// Implementation of the reply reader.
#include "load/reply_reader.h"

#include <cctype>

namespace veredus::tools {
namespace {

constexpr std::size_t kMaxLine = 4096;
constexpr std::size_t kMaxReply = 65536;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

void ReplyReader::clear() {
  buffer_.clear();
  start_ = 0;
  in_reply_ = false;
  bad_ = false;
}

bool ReplyReader::take_line(std::string_view line, Reply& reply) {
  const bool well_formed = line.size() >= 3 && is_digit(line[0]) && is_digit(line[1]) && is_digit(line[2]) &&
                           (line.size() == 3 || line[3] == ' ' || line[3] == '-');
  if (!well_formed || reply.text.size() > kMaxReply) {
    bad_ = true;
    return false;
  }
  reply.code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  if (in_reply_) reply.text += '\n';
  if (line.size() > 4) reply.text += line.substr(4);
  in_reply_ = line.size() > 3 && line[3] == '-';
  return !in_reply_;
}

bool ReplyReader::next(Reply& reply) {
  while (!bad_) {
    if (!in_reply_) reply.text.clear();
    const auto end = buffer_.find('\n', start_);
    if (end == std::string::npos) {
      buffer_.erase(0, start_);
      start_ = 0;
      bad_ = buffer_.size() > kMaxLine;
      return false;
    }
    std::string_view line(buffer_.data() + start_, end - start_);
    if (line.ends_with('\r')) line.remove_suffix(1);
    start_ = end + 1;
    if (take_line(line, reply)) return true;
  }
  return false;
}

}  // namespace veredus::tools
