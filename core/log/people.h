// A log line as people read it: "2006-01-02 15:04:05.678 notice  message.accepted  id=... sender=...". Any
// thread.
#pragma once

#include <string>
#include <string_view>

namespace veredus {

// A line that is not one of ours comes back as it is, made printable. Long input is not parsed. No line feed
// at the end.
std::string format_for_people(std::string_view json_line);

}  // namespace veredus
