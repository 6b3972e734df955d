// Socket plumbing behind net.h. All descriptors are non-blocking and close-on-exec.
#include "common/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "common/text.h"

namespace veredus::tools {
namespace {

std::optional<Endpoint> unix_endpoint(std::string_view path) {
  Endpoint endpoint;
  auto* address = reinterpret_cast<sockaddr_un*>(&endpoint.address);
  if (path.size() >= sizeof address->sun_path) return std::nullopt;
  address->sun_family = AF_UNIX;
  std::memcpy(address->sun_path, path.data(), path.size());
  endpoint.length = sizeof *address;
  return endpoint;
}

std::optional<Endpoint> inet_endpoint(const std::string& host, std::uint16_t port) {
  Endpoint endpoint;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&endpoint.address);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&endpoint.address);
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    endpoint.length = sizeof *v4;
    return endpoint;
  }
  if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    endpoint.length = sizeof *v6;
    return endpoint;
  }
  return std::nullopt;
}

void set_option(int fd, int level, int name) {
  const int on = 1;
  setsockopt(fd, level, name, &on, sizeof on);
}

bool bind_source(int fd, std::uint32_t source) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(0x7f000000U + source);
  set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
  return bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

void Fd::reset(int fd) {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

std::string Endpoint::text() const {
  std::array<char, INET6_ADDRSTRLEN> host{};
  if (address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    inet_ntop(AF_INET, &v4->sin_addr, host.data(), host.size());
    return std::string(host.data()) + ":" + std::to_string(ntohs(v4->sin_port));
  }
  if (address.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
    inet_ntop(AF_INET6, &v6->sin6_addr, host.data(), host.size());
    return "[" + std::string(host.data()) + "]:" + std::to_string(ntohs(v6->sin6_port));
  }
  return reinterpret_cast<const sockaddr_un*>(&address)->sun_path;
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  if (text.starts_with("unix:")) return unix_endpoint(text.substr(5));
  if (text.starts_with("/") || text.starts_with(".")) return unix_endpoint(text);
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_number(text.substr(colon + 1));
  if (!port || *port > 65535) return std::nullopt;
  auto host = text.substr(0, colon);
  if (host.starts_with("[") && host.ends_with("]")) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  return inet_endpoint(std::string(host), static_cast<std::uint16_t>(*port));
}

Fd listen_on(const Endpoint& where, Endpoint& actual) {
  Fd fd(socket(where.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fd;
  if (where.is_unix()) unlink(where.text().c_str());
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR);
  const auto* address = reinterpret_cast<const sockaddr*>(&where.address);
  if (bind(fd.get(), address, where.length) != 0 || listen(fd.get(), 4096) != 0) return Fd{};
  actual = where;
  if (!where.is_unix()) {
    actual.length = sizeof actual.address;
    getsockname(fd.get(), reinterpret_cast<sockaddr*>(&actual.address), &actual.length);
  }
  return fd;
}

Fd start_connect(const Endpoint& where, std::uint32_t source) {
  Fd fd(socket(where.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fd;
  if (!where.is_unix()) set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY);
  if (source != 0 && where.address.ss_family == AF_INET && !bind_source(fd.get(), source)) return Fd{};
  const auto* address = reinterpret_cast<const sockaddr*>(&where.address);
  if (connect(fd.get(), address, where.length) != 0 && errno != EINPROGRESS) return Fd{};
  return fd;
}

int connect_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace veredus::tools
