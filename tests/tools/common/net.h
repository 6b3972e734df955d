// Sockets for the tools: one owner type, endpoints written as HOST:PORT, [v6]:PORT or a Unix path, and
// non-blocking listen and connect. Names are not resolved: load and sink speak to addresses only.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace veredus::tools {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~Fd() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

struct Endpoint {
  sockaddr_storage address{};
  socklen_t length = 0;

  bool is_unix() const { return address.ss_family == AF_UNIX; }
  std::string text() const;
};

/// "127.0.0.1:2525", "localhost:25", "[::1]:25", "/run/x.sock".
std::optional<Endpoint> parse_endpoint(std::string_view text);

/// A listening, non-blocking socket; `actual` tells the port when 0 was asked for. Invalid with errno set on
/// failure.
Fd listen_on(const Endpoint& where, Endpoint& actual);

/// Begins a non-blocking connect; `source` (0 = none) is the host part of 127.0.0.0/8 to bind to.
/// Invalid with errno set on failure.
Fd start_connect(const Endpoint& where, std::uint32_t source);

/// The error of a finished non-blocking connect, 0 when connected.
int connect_error(int fd);

/// Raises the soft limit of open descriptors to the hard one.
void raise_descriptor_limit();

}  // namespace veredus::tools
