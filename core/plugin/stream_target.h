// Where a stream of a plugin goes: "tcp://HOST:PORT", "tls://HOST:PORT", "unix:///PATH"; and the addresses behind a host's name. [loop]
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/address_ip.h"
#include "base/result.h"
#include "plugin/loop_services.h"

namespace veredus {

struct StreamTarget {
  std::string host;  // name or address; empty: a path
  uint16_t port = 0;
  std::string path;
  bool secure = false;  // by TLS
};

Result<StreamTarget> parse_stream_target(std::string_view text);
Task<Result<std::vector<IpAddress>>> addresses_of(LoopServices& services, std::string host, Deadline deadline);

}  // namespace veredus
