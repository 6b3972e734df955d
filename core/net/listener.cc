// Listeners: bind, accept, and what happens when descriptors run out.
#include "net/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace veredus {

namespace {

constexpr int kBacklog = 4096;
constexpr int kAcceptsATurn = 64;
constexpr Millis kRest{100};

Error bind_failure(const std::string& where, int code) {
  std::string text = "cannot listen on " + where + ": " + std::strerror(code);
  if (code == EADDRINUSE) text += "; another program listens there: stop it or choose another port";
  bool path = where.starts_with('/');
  if (code == EACCES && path) text += "; the folder must be writable for this user";
  if (code == EACCES && !path) text += "; ports below 1024 need root or CAP_NET_BIND_SERVICE";
  if (code == ENOENT && path) text += "; the folder does not exist";
  if (code == EADDRNOTAVAIL) text += "; no interface of this host has that address";
  return fail(code == EADDRINUSE ? Errc::busy : Errc::io, std::move(text));
}

Error closing(int fd, Error error) {
  close(fd);
  return error;
}

// Only a refusal proves that nobody listens: a full backlog or missing permission may be a living daemon.
bool nobody_listens(const sockaddr_un& address) {
  int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return false;
  int code = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  bool refused = code != 0 && errno == ECONNREFUSED;
  close(probe);
  return refused;
}

}  // namespace

Result<int> bind_listener(const Endpoint& endpoint) {
  sockaddr_storage address{};
  unsigned length = endpoint.to(&address);
  int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return bind_failure(endpoint.text(), errno);
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(fd, kBacklog) != 0)
    return closing(fd, bind_failure(endpoint.text(), errno));
  return fd;
}

Result<int> bind_unix(const std::string& path, unsigned mode) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail(Errc::invalid, "cannot listen on " + path + ": the path is too long for a socket");
  std::memcpy(address.sun_path, path.data(), path.size());
  struct stat info {};
  if (lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode)) return fail(Errc::exists, "cannot listen on " + path + ": something that is not a socket is there");
    if (!nobody_listens(address)) return fail(Errc::busy, "cannot listen on " + path + ": another daemon listens there");
    unlink(path.c_str());
  }
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return bind_failure(path, errno);
  // The mode of the unbound socket bounds that of its file from the first moment; chmod() then undoes the umask.
  bool ready = fchmod(fd, mode) == 0 && bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
               chmod(path.c_str(), mode) == 0 && listen(fd, kBacklog) == 0;
  if (!ready) return closing(fd, bind_failure(path, errno));
  return fd;
}

struct Listener::Poll {
  uv_poll_t poll{};
  Listener* listener = nullptr;
};

Listener::Listener(Loop& loop, int fd, OnAccept on_accept, OnRest on_rest)
    : loop_(loop), fd_(fd), on_accept_(std::move(on_accept)), on_rest_(std::move(on_rest)), poll_(new Poll) {
  poll_->listener = this;
  poll_->poll.data = poll_;
  uv_poll_init(loop.uv(), &poll_->poll, fd);
  resume();
}

Listener::~Listener() {
  poll_->listener = nullptr;
  uv_poll_stop(&poll_->poll);
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_->poll), [](uv_handle_t* h) { delete static_cast<Poll*>(h->data); });
  close(fd_);
}

void Listener::on_readable(uv_poll_t* poll, int, int) { accept_some(*static_cast<Poll*>(poll->data)); }

void Listener::resume() {
  again_.cancel();
  paused_ = false;
  uv_poll_start(&poll_->poll, UV_READABLE, &Listener::on_readable);
}

void Listener::pause() {
  again_.cancel();
  paused_ = true;
  uv_poll_stop(&poll_->poll);
}

// What waits stays in the backlog. Without the rest a listener that cannot accept would be readable in every turn.
void Listener::rest() {
  ++starved_;
  if (!std::exchange(starving_, true) && on_rest_) on_rest_(true);
  pause();
  again_.start(loop_, loop_.now() + kRest, [](void* self) { static_cast<Listener*>(self)->resume(); }, this);
}

void Listener::rested() {
  if (std::exchange(starving_, false) && on_rest_) on_rest_(false);
}

void Listener::accept_some(Poll& poll) {
  // The owner may pause or destroy the listener in its callback.
  for (int i = 0; i < kAcceptsATurn && poll.listener && !poll.listener->paused_; ++i) {
    Listener& self = *poll.listener;
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    int fd = accept4(self.fd_, reinterpret_cast<sockaddr*>(&address), &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      self.rested();
      self.on_accept_(fd, Endpoint::from(reinterpret_cast<sockaddr*>(&address)));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO) return self.rest();
  }
}

}  // namespace veredus
