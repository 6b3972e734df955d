// DNS answers and type names as text, for `veredus dns` and for tests. Values; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "net/resolver.h"

namespace veredus {

std::optional<DnsType> dns_type_of(std::string_view name);  // "MX", case aside
std::string_view text_of(DnsType type);
std::string_view text_of(DnsStatus status);  // "ok" "no_data" "no_name" "timeout" "server_failure" "refused" "malformed"

// For people: a line a record and one about the answer as a whole.
std::string describe(const std::string& name, DnsType type, const DnsAnswer& answer);
// For programs: one object, without a newline.
std::string describe_json(const std::string& name, DnsType type, const DnsAnswer& answer);

}  // namespace veredus
