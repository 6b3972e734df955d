// The socket side of a sink session: reading, buffering while paused, writing, closing.
#include "sink/session.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace veredus::tools {
namespace {

constexpr std::size_t kMaxLine = 65536;
constexpr std::size_t kMaxHeld = 1U << 20;

}  // namespace

Session::Session(SinkState state, Alarm& alarm, std::uint64_t key, Fd socket, bool turn_away)
    : state_(state), alarm_(alarm), key_(key), socket_(std::move(socket)), turn_away_(turn_away) {
  const int on = 1;
  setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Session::~Session() {
  if (in_content_) state_.store.discard(arrival_);
}

void Session::start() {
  if (state_.options.delay_banner > 0) {
    pause_ = Pause::kBanner;
    return alarm_.call_back(key_, state_.options.delay_banner);
  }
  greet();
  flush();
}

void Session::on_event(std::uint32_t events) {
  if (!socket_) return;
  if ((events & EPOLLOUT) != 0 && (!output_.empty() || flood_ != 0)) flush();
  if (socket_ && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) receive();
}

void Session::on_alarm() {
  if (!socket_) return;
  const auto pause = pause_;
  if (flood_ != 0) return flush();
  if (pause == Pause::kForever || pause == Pause::kNone) return;
  pause_ = Pause::kNone;
  if (pause == Pause::kBanner) greet();
  if (pause == Pause::kFinal) conclude();
  process({});
  if (socket_) flush();
  if (socket_ && read_blocked_) receive();
}

void Session::receive() {
  static thread_local std::array<char, 262144> buffer;
  while (socket_) {
    read_blocked_ = pause_ != Pause::kNone && input_.size() > kMaxHeld;
    if (read_blocked_) return;
    const auto got = recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return close_now(false);
    if (pause_ != Pause::kForever && !close_after_flush_) {
      process({buffer.data(), static_cast<std::size_t>(got)});
      flush();
    }
    if (static_cast<std::size_t>(got) < buffer.size()) return;
  }
}

// Whole commands and data are taken straight from the receive buffer; only what is left over is copied.
void Session::process(std::string_view fresh) {
  const bool direct = input_.empty();
  if (!direct) input_ += fresh;
  const std::string_view input = direct ? fresh : std::string_view(input_);
  std::size_t at = 0;
  while (at < input.size() && socket_ && pause_ == Pause::kNone && !close_after_flush_) {
    const auto used = consume(input.substr(at));
    if (used == 0) break;
    at += used;
  }
  if (direct) {
    input_ = input.substr(at);
  } else {
    input_.erase(0, at);
  }
  if (mode_ != Mode::kCommand || pause_ != Pause::kNone || input_.size() <= kMaxLine) return;
  plain_reply(500, "5.5.6", "line too long");
  close_after_flush_ = true;
}

std::size_t Session::consume(std::string_view input) {
  switch (mode_) {
    case Mode::kCommand:
      return consume_line(input);
    case Mode::kData:
      return consume_data(input);
    case Mode::kChunk:
      return consume_chunk(input);
  }
  return 0;
}

std::size_t Session::consume_line(std::string_view input) {
  const auto end = input.find('\n');
  if (end == std::string_view::npos) return 0;
  auto line = input.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  on_command(line);
  const bool forgets = mode_ == Mode::kCommand && state_.options.faults.lies(FaultKind::kLiePipelining);
  return forgets ? input.size() : end + 1;
}

void Session::flush() {
  if (flood_ != 0) return flood();
  while (socket_ && !output_.empty()) {
    const auto sent = send(socket_.get(), output_.data(), output_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) return close_now(false);
    output_.erase(0, static_cast<std::size_t>(sent));
  }
  if (socket_ && close_after_flush_) close_now(false);
}

// Sends as much as the client takes, a bounded part each turn so that other sessions are served.
void Session::flood() {
  static const std::string line(8192, 'a');
  static const std::string lines = [] {
    std::string text;
    while (text.size() < 8192) text += "250-and there is more to come\r\n";
    return text;
  }();
  for (int turn = 0; turn < 64; ++turn) {
    if (output_.empty()) output_ = flood_ == 1 ? lines : line;
    const auto sent = send(socket_.get(), output_.data(), output_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) return close_now(false);
    output_.erase(0, static_cast<std::size_t>(sent));
  }
  alarm_.call_back(key_, 0);
}

void Session::close_now(bool reset) {
  if (reset) {
    const linger now{1, 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  if (in_content_ && pause_ != Pause::kFinal) ++state_.counts.broken_off;
  socket_.reset();
}

}  // namespace veredus::tools
