// The header of the PROXY protocol, versions 1 and 2, with which a load balancer tells whose connection it
// passes on. Pure; any thread.
#pragma once

#include <optional>
#include <string_view>

#include "base/address_ip.h"
#include "base/result.h"

namespace veredus {

struct ProxyHeader {
  size_t size = 0;     // octets of the header
  bool known = false;  // false: the balancer's own check, or an address family that says nothing here
  Endpoint source, destination;
};

// nullopt: not complete yet. An error: this is no PROXY header, or one that is longer than any real one.
Result<std::optional<ProxyHeader>> parse_proxy_header(std::string_view input);

}  // namespace veredus
