// The socket side of a client connection: connect, read, write, deadlines, loss.
#include "load/connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "common/measure.h"

namespace veredus::tools {

void Connection::open() {
  const auto& options = host_.options();
  reader_.clear();
  outbox_.clear();
  awaited_.clear();
  transaction_ = {};
  sent_here_ = 0;
  waiting_ = greeted_ = pipelining_ = chunking_ = false;
  const auto source = options.sources == 0 ? 0 : 1 + index_ % options.sources;
  socket_ = start_connect(options.to, static_cast<std::uint32_t>(source));
  if (!socket_) return host_.closed(index_, Closing::kNeverOpened, std::strerror(errno));
  connecting_ = true;
  last_activity_ = host_.now();
  host_.watch(socket_.get(), index_);
}

void Connection::on_event(std::uint32_t events) {
  if (!socket_) return;
  if (connecting_) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
    if (const int error = connect_error(socket_.get())) return lose(std::strerror(error));
    connecting_ = false;
    last_activity_ = host_.now();
    await(Awaited::kBanner);
    host_.connected(index_);
  }
  if ((events & EPOLLOUT) != 0 && !outbox_.empty()) flush();
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0 && socket_) receive();
}

void Connection::receive() {
  static thread_local std::array<char, 16384> buffer;
  while (socket_) {
    const auto got = recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return lose(got == 0 ? "closed by the server" : std::strerror(errno));
    last_activity_ = host_.now();
    reader_.feed({buffer.data(), static_cast<std::size_t>(got)});
    while (socket_ && reader_.next(reply_)) on_reply(reply_);
    if (socket_ && reader_.bad()) return lose("not an SMTP reply");
    if (socket_ && !outbox_.empty()) flush();
    if (static_cast<std::size_t>(got) < buffer.size()) return;
  }
}

void Connection::flush() {
  // Before the call: a server on another core may answer while it still runs.
  const auto handed_over = now_ns();
  const auto outcome = outbox_.flush(socket_.get());
  if (outcome == Outbox::Outcome::kClosed) {
    // What the server said before it closed may still be waiting; reading finds the end of it.
    outbox_.clear();
    return;
  }
  if (outcome == Outbox::Outcome::kBlocked) return;
  if (!transaction_.active || !transaction_.content_sent || transaction_.dot != 0) return;
  transaction_.dot = handed_over;
}

void Connection::check_deadline() {
  if (!socket_ || (awaited_.empty() && !connecting_ && outbox_.empty())) return;
  const double waited = static_cast<double>(host_.now() - last_activity_) / 1e9;
  if (waited > host_.options().timeout) lose(connecting_ ? "timeout in connect" : "timeout");
}

void Connection::lose(const char* why) {
  const bool said_quit = awaited_.size() == 1 && awaited_.front() == Awaited::kQuit;
  const auto how = connecting_ ? Closing::kNeverOpened : said_quit ? Closing::kOrderly : Closing::kLost;
  socket_.reset();
  connecting_ = waiting_ = false;
  if (transaction_.active) {
    transaction_.stage = "lost";
    transaction_.text = why;
    transaction_.code = 0;
    // Without a flushed last octet the server cannot have taken the message.
    report(transaction_.content_sent && outbox_.empty() ? Outcome::kUnknown : Outcome::kAborted);
  }
  outbox_.clear();
  host_.closed(index_, how, why);
}

}  // namespace veredus::tools
