// The system's list of resolvers. Reads a file once; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/address_ip.h"

namespace veredus {

// At most three, as the C library uses them; other lines and unusable addresses are skipped.
std::vector<Endpoint> parse_resolv_conf(std::string_view text);
// Of the file; loopback if it names none or cannot be read.
std::vector<Endpoint> system_resolvers(const std::string& path = "/etc/resolv.conf");

}  // namespace veredus
