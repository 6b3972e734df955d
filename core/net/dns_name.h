// Domain names as DNS wants them: checked, lower case, without the final dot; internationalised names as A-labels. Values; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/address_ip.h"
#include "base/result.h"

namespace veredus {

// The name to ask for: lower case, one final dot removed, U-labels turned into A-labels. Labels of 1 to 63 octets, 253 in all.
Result<std::string> to_ascii_domain(std::string_view name);
// The same for questions: labels may have spaces too, as SPF macros make them.
Result<std::string> to_query_name(std::string_view name);
// Such a name as it is written on the wire, with the root label.
std::string wire_name(std::string_view ascii_name);
// The name under which the PTR records of an address are.
std::string reverse_name(const IpAddress& ip);
// The address a reverse name stands for; none if it is no complete reverse name.
IpAddress address_of_reverse_name(std::string_view name);
// "localhost" and everything below it; answered without asking anyone.
bool is_localhost(std::string_view ascii_name);

}  // namespace veredus
