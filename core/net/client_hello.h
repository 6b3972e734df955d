// What a ClientHello asks for, read from the octets of the wire without taking them. Values; any thread.
#pragma once

#include <string_view>

#include "net/tls.h"

namespace veredus {

struct HelloRead {
  // other: no ClientHello, or one that makes no sense; the TLS library will say so.
  enum class State : uint8_t { incomplete, complete, other } state = State::incomplete;
  TlsHello hello;
};

HelloRead read_client_hello(std::string_view octets);

}  // namespace veredus
