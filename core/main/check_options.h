// CheckOptions: the arguments of `veredus check tls|dane`. Values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/address_ip.h"
#include "base/clock.h"
#include "base/result.h"

namespace veredus {

struct CheckCall {
  std::string conf;
  bool json = false;
  std::vector<std::string> arguments;
};

struct CheckOptions {
  std::string target;  // host or domain, lower case; or an address
  std::optional<IpAddress> address;
  uint16_t port = 25;
  bool implicit = false;        // TLS from the first octet on
  std::optional<Endpoint> dns;  // the only resolver asked
  Millis timeout{15'000};       // of the whole check
  std::string ca;               // PEM file; empty: of the configuration
  std::string name;             // that the certificate must be for; empty: the target
};

Result<CheckOptions> read_check_options(std::vector<std::string> words, const std::string& what);

}  // namespace veredus
