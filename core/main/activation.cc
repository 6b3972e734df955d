// The descriptors of sd_listen_fds, with the addresses they listen on.
#include "main/activation.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

namespace veredus {

std::vector<ActivatedSocket> take_activated_sockets() {
  std::vector<ActivatedSocket> out;
  int count = sd_listen_fds(1);
  for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count; ++fd) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0) continue;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) continue;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    out.push_back({Endpoint::from(reinterpret_cast<sockaddr*>(&address)), fd});
  }
  return out;
}

}  // namespace veredus
