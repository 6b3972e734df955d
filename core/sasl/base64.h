// Base64 of RFC 4648 4 as SASL lines have it: whole, without spaces. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace veredus {

std::string base64_of(std::string_view octets);
std::optional<std::string> octets_of_base64(std::string_view text);  // nothing when it is not base64

}  // namespace veredus
