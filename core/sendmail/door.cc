// The submission socket, from outside.
#include "sendmail/door.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace veredus {

namespace {

constexpr unsigned kGreetingSeconds = 30;
constexpr unsigned kFinalSeconds = 600;
constexpr size_t kLongestLine = 4'194'304;

}  // namespace

Door::~Door() {
  if (fd_ >= 0) close(fd_);
}

void Door::wait_for(unsigned seconds) {
  timeval time{static_cast<time_t>(seconds), 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

Status Door::open(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail(Errc::invalid, path + ": the path is too long for a socket");
  std::memcpy(address.sun_path, path.data(), path.size());
  fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return fail(Errc::io, std::string("cannot make a socket: ") + std::strerror(errno));
  wait_for(kGreetingSeconds);
  while (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    if (errno != EINTR) return fail(Errc::not_found, path + ": " + std::strerror(errno));
  return {};
}

bool Door::send(std::string_view octets) {
  while (!octets.empty()) {
    ssize_t taken = ::send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL);
    if (taken < 0 && errno == EINTR) continue;
    if (taken <= 0) return false;
    octets.remove_prefix(static_cast<size_t>(taken));
  }
  return true;
}

bool Door::read_more() {
  char piece[65536];
  for (;;) {
    ssize_t got = recv(fd_, piece, sizeof piece, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    pending_.append(piece, static_cast<size_t>(got));
    return true;
  }
}

std::optional<Reply> Door::reply() {
  for (;;) {
    pending_.erase(0, parser_.feed(pending_));
    if (parser_.state() == ReplyParser::State::complete) return parser_.take();
    if (parser_.state() == ReplyParser::State::broken || !read_more()) return std::nullopt;
  }
}

std::optional<std::string> Door::line() {
  for (size_t from = 0;;) {
    size_t end = pending_.find('\n', from);
    if (end != std::string::npos) {
      std::string out = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      if (out.ends_with('\r')) out.pop_back();
      return out;
    }
    from = pending_.size();
    if (from > kLongestLine || !read_more()) return std::nullopt;
  }
}

void drive(Door& door, HandIn& dialogue, void (*on_commit)()) {
  for (HandIn::Turn turn = dialogue.turn(); !turn.over; turn = dialogue.turn()) {
    if (turn.commits) on_commit();
    bool sent = door.send(turn.head) && door.send(turn.body);
    if (turn.commits) door.wait_for(kFinalSeconds);
    for (; sent && turn.replies > 0; --turn.replies) {
      auto reply = door.reply();
      if (!reply) sent = false;
      else dialogue.take(*reply);
    }
    if (!sent) dialogue.lost();
  }
}

}  // namespace veredus
