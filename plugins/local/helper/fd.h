// A descriptor that closes itself, and writing all of something.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "local/wire.h"

namespace local {

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

inline bool write_all(int fd, std::string_view octets) {
  while (!octets.empty()) {
    ssize_t done = write(fd, octets.data(), octets.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return false;
    octets.remove_prefix(static_cast<size_t>(done));
  }
  return true;
}

// A failed system call as an answer: what is full may have room later, and so may everything else.
inline Report failure_of(int error, const std::string& what) {
  std::string text = what + ": " + std::strerror(error);
  if (error == ENOSPC) return Report::of(452, 3, 1, text);
  if (error == EDQUOT || error == EFBIG) return Report::of(452, 2, 2, text);
  return Report::of(451, 3, 0, text);
}

}  // namespace local
