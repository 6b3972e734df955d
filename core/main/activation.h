// Socket activation: listening sockets that the service manager opened and passed on. Taken once, by the supervisor.
#pragma once

#include <vector>

#include "base/address_ip.h"

namespace veredus {

struct ActivatedSocket {
  Endpoint address;
  int fd = -1;
};

std::vector<ActivatedSocket> take_activated_sockets();  // each is made non-blocking and closes on exec

}  // namespace veredus
