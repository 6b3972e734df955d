// Matching of queue commands' filters on addresses. Values; any thread.
#pragma once

#include <string_view>

namespace veredus::queue_detail {

// `pattern` is an address, "*@domain" (a pattern on domains after the @), "local@*", "*", or "<>" for the
// null sender.
bool matches_address(std::string_view pattern, std::string_view address);

}  // namespace veredus::queue_detail
