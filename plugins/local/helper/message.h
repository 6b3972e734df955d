// Message: what is delivered, as mailboxes and programs want it: lines end with LF, trace fields stand on top.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace local {

class Message {
 public:
  // `fd`: the octets as they came, read with pread, so that several may read at once. `head`: trace fields, with LF.
  Message(int fd, std::string sender, std::string head) : fd_(fd), sender_(std::move(sender)), head_(std::move(head)) {}

  using Sink = std::function<bool(std::string_view)>;
  enum class Form { plain, piped, mbox };  // piped: a From line first; mbox: as well, with lines like it quoted and an empty line behind
  // False: sink said so, or the octets cannot be read (then errno is EIO).
  bool write(Form form, const Sink& sink) const;
  std::string from_line() const;

 private:
  int fd_;
  std::string sender_, head_;
};

// Turns CRLF into LF and, if asked, puts > before lines that begin with "From ". Pieces in, pieces out.
class LineFilter {
 public:
  LineFilter(bool quotes, const Message::Sink& sink) : quotes_(quotes), sink_(sink) {}
  bool add(std::string_view octets);
  bool end();  // what waits; a last line without its end gets one

 private:
  bool give(bool all);
  const bool quotes_;
  const Message::Sink& sink_;
  std::string waiting_;
  bool cr_ = false, line_start_ = true;
};

}  // namespace local
