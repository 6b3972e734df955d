// The helpers' frames on a connected stream socket, and descriptors that change hands: what one system call does. Reads never cross a
// frame's end, so a descriptor that comes with octets belongs to the frame they are of. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "plugin/unique_fd.h"

namespace veredus {

constexpr size_t kFrameHead = 8;  // length of what follows it and the number within it, then the number

std::string encode_frame(uint32_t number, std::string_view octets);

struct FrameHead {
  uint32_t number = 0;
  size_t octets = 0;
};
Result<FrameHead> decode_frame_head(std::string_view head, size_t most_octets);

// Octets sent or received; 0 = the socket would block. Errors: closed, io. The descriptor goes with the first octet.
Result<size_t> send_with(int socket, std::string_view octets, int fd);
// A second descriptor that came is closed. closed = the end of the stream too.
Result<size_t> receive_with(int socket, char* into, size_t capacity, UniqueFd& fd);

}  // namespace veredus
