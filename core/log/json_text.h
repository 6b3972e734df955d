// JSON strings for log lines, without allocation: any octets go in, valid JSON of bounded length comes out.
// Any thread.
#pragma once

#include <string>
#include <string_view>

namespace veredus {

// Appends `text` in quotes. Well-formed UTF-8 stays as it is except for control characters; any other octet
// is written as the four characters \xNN. Stops at a character boundary before `max` octets of output (quotes
// included, at least 8) and ends with "...". Returns false when something was cut.
bool append_json_string(std::string& out, std::string_view text, size_t max);

}  // namespace veredus
