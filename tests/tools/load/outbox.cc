// Implementation of the gathering writer.
#include "load/outbox.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace veredus::tools {

void Outbox::copy(std::string_view text) {
  const bool extends_last = !pieces_.empty() && pieces_.back().data == nullptr;
  if (extends_last) {
    pieces_.back().length += text.size();
  } else {
    pieces_.push_back({nullptr, copies_.size(), text.size()});
  }
  copies_ += text;
}

void Outbox::refer(std::string_view text) {
  if (!text.empty()) pieces_.push_back({text.data(), 0, text.size()});
}

void Outbox::clear() {
  copies_.clear();
  pieces_.clear();
  first_ = 0;
}

void Outbox::consume(std::size_t count) {
  while (count > 0) {
    auto& piece = pieces_[first_];
    const auto used = std::min(count, piece.length);
    piece.offset += used;
    piece.length -= used;
    count -= used;
    if (piece.length == 0) ++first_;
  }
  if (first_ == pieces_.size()) clear();
}

Outbox::Outcome Outbox::flush(int fd) {
  while (!pieces_.empty()) {
    std::array<iovec, 16> parts{};
    std::size_t count = 0;
    for (std::size_t i = first_; i < pieces_.size() && count < parts.size(); ++i, ++count) {
      const auto& piece = pieces_[i];
      const char* base = piece.data != nullptr ? piece.data : copies_.data();
      parts[count] = {const_cast<char*>(base) + piece.offset, piece.length};
    }
    msghdr header{};
    header.msg_iov = parts.data();
    header.msg_iovlen = count;
    const auto sent = sendmsg(fd, &header, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN ? Outcome::kBlocked : Outcome::kClosed;
    consume(static_cast<std::size_t>(sent));
  }
  return Outcome::kDone;
}

}  // namespace veredus::tools
