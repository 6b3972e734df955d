// The command's side of the control socket.
#include "main/client.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <thread>

namespace veredus {

namespace {

constexpr Millis kBetweenTries{20};

struct Descriptor {
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  int fd = -1;
};

Status connect_to(const std::string& path, int fd) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail(Errc::invalid, "control socket " + path + ": the path is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return {};
  std::string reason = std::strerror(errno);
  if (errno == ENOENT || errno == ECONNREFUSED) reason = "no daemon is running with this configuration";
  if (errno == EACCES) reason = "permission denied; the administrator's group may use the socket";
  return fail(errno == EACCES ? Errc::refused : Errc::not_found, path + ": " + reason);
}

bool write_all(int fd, std::string_view octets) {
  while (!octets.empty()) {
    ssize_t taken = send(fd, octets.data(), octets.size(), MSG_NOSIGNAL);
    if (taken <= 0) return false;
    octets.remove_prefix(static_cast<size_t>(taken));
  }
  return true;
}

// Copies frames until the one that ends; nullopt when the connection ended first.
Result<int> copy_frames(int fd) {
  std::string pending;
  char piece[65536];
  for (ssize_t count; (count = recv(fd, piece, sizeof piece, 0)) > 0;) {
    pending.append(piece, static_cast<size_t>(count));
    size_t from = 0;
    for (size_t end; (end = pending.find('\n', from)) != std::string::npos; from = end + 1) {
      auto frame = decode_frame(std::string_view(pending).substr(from, end - from));
      if (!frame) return frame.error();
      std::fwrite(frame->out.data(), 1, frame->out.size(), stdout);
      std::fwrite(frame->err.data(), 1, frame->err.size(), stderr);
      if (frame->exit) return std::fflush(stdout) == 0 ? *frame->exit : 74;
    }
    pending.erase(0, from);
    std::fflush(stdout);
  }
  return fail(Errc::closed, "the daemon closed the connection before the command ended");
}

}  // namespace

Status add_password(ControlRequest& request) {
  constexpr size_t kMost = 64 * 1024;
  auto& words = request.words;
  if (words.size() < 2 || words[0] != "auth" || words[1] != "test") return {};
  std::string path = "/dev/stdin";
  for (size_t i = 2; i + 1 < words.size(); ++i) {
    if (words[i] != "--password-file") continue;
    path = words[i + 1];
    words.erase(words.begin() + static_cast<std::ptrdiff_t>(i), words.begin() + static_cast<std::ptrdiff_t>(i) + 2);
    break;
  }
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (!file) return fail(Errc::io, "cannot read " + path + ": " + std::strerror(errno));
  std::string password(kMost, '\0');
  password.resize(std::fread(password.data(), 1, kMost, file));
  std::fclose(file);
  password.resize(password.find_last_not_of("\r\n") + 1);
  words.push_back("--password=" + password);
  return {};
}

Result<int> ask_daemon(const std::string& path, const ControlRequest& request) {
  Descriptor socket_fd{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (socket_fd.fd < 0) return fail(Errc::io, std::string("cannot make a socket: ") + std::strerror(errno));
  if (auto connected = connect_to(path, socket_fd.fd); !connected) return connected.error();
  if (!write_all(socket_fd.fd, encode_request(request))) return fail(Errc::closed, "the daemon took no request");
  return copy_frames(socket_fd.fd);
}

bool daemon_runs(const std::string& path) {
  Descriptor socket_fd{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (socket_fd.fd < 0) return false;
  auto connected = connect_to(path, socket_fd.fd);
  return connected.ok() || connected.error().code == Errc::refused;
}

Result<int> wait_for_daemon(const std::string& path, const ControlRequest& request, Millis patience) {
  RealClock clock;
  MonoTime until = clock.mono() + patience;
  for (;;) {
    auto answer = ask_daemon(path, request);
    if (answer.ok() || clock.mono() >= until) return answer;
    std::this_thread::sleep_for(kBetweenTries);
  }
}

}  // namespace veredus
