// Frames and SCM_RIGHTS.
#include "main/helper_frames.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace veredus {

namespace {

void put32(std::string& out, uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift & 0xFF);
}

uint32_t get32(std::string_view octets) {
  uint32_t out = 0;
  for (char c : octets.substr(0, 4)) out = out << 8 | static_cast<unsigned char>(c);
  return out;
}

constexpr size_t kMostDescriptors = 8;  // that are taken out of one message, to be closed but for the first

Result<size_t> moved(ssize_t count, const char* doing) {
  if (count > 0) return static_cast<size_t>(count);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return size_t{0};
  if (count == 0 || errno == EPIPE || errno == ECONNRESET) return fail(Errc::closed, "the other side closed");
  return fail(Errc::io, std::string(doing) + ": " + std::strerror(errno));
}

void take_descriptors(msghdr& message, UniqueFd& first) {
  for (cmsghdr* one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one)) {
    if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(one) + i * sizeof(int), sizeof fd);
      UniqueFd owned(fd);
      if (!first) first = std::move(owned);
    }
  }
}

}  // namespace

std::string encode_frame(uint32_t number, std::string_view octets) {
  std::string out;
  out.reserve(kFrameHead + octets.size());
  put32(out, static_cast<uint32_t>(octets.size() + 4));
  put32(out, number);
  return out.append(octets);
}

Result<FrameHead> decode_frame_head(std::string_view head, size_t most_octets) {
  size_t length = get32(head);
  if (length < 4 || length - 4 > most_octets) return fail(Errc::invalid, "a frame of " + std::to_string(length) + " octets");
  return FrameHead{get32(head.substr(4)), length - 4};
}

Result<size_t> send_with(int socket, std::string_view octets, int fd) {
  iovec piece{const_cast<char*>(octets.data()), octets.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  return moved(sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT), "cannot send");
}

Result<size_t> receive_with(int socket, char* into, size_t capacity, UniqueFd& fd) {
  iovec piece{into, capacity};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMostDescriptors)] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (count > 0) take_descriptors(message, fd);
  return moved(count, "cannot receive");
}

}  // namespace veredus
