// One row of the command table: name, handler, the phases in which it is legal, flags. Private to the server
// machine.
#pragma once

#include "smtp/server_machine.h"

namespace veredus {

struct ServerMachine::Verb {
  std::string_view name;
  ServerStep (ServerMachine::*handler)(std::string_view arguments);
  uint8_t phases;
  uint8_t flags;
};

}  // namespace veredus
