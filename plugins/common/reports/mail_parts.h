// Parts of a mail that carries a report. Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace common {

std::string mail_date(int64_t wall_ms);               // as in a Date field, of UTC
std::string in_header(std::string_view text);         // printable ASCII, 200 octets at most
std::string in_quotes(std::string_view text);         // the same as a quoted string: names in a From field
std::string base64_lines(std::string_view octets);    // lines of 76, each with its CRLF

}  // namespace common
