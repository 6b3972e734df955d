// What a connection still has to send: short commands, copied, and long pieces of messages, referred to.
// Flushed with as few system calls as the kernel allows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace veredus::tools {

class Outbox {
 public:
  enum class Outcome { kDone, kBlocked, kClosed };

  void copy(std::string_view text);
  /// `text` must stay where it is until flush() said kDone.
  void refer(std::string_view text);
  bool empty() const { return pieces_.empty(); }
  void clear();
  Outcome flush(int fd);

 private:
  struct Piece {
    const char* data;  // null: in copies_
    std::size_t offset;
    std::size_t length;
  };
  void consume(std::size_t count);

  std::string copies_;
  std::vector<Piece> pieces_;
  std::size_t first_ = 0;
};

}  // namespace veredus::tools
