// Redaction: the field keys whose values never reach a log line, however an event is written. Constant data;
// any thread.
#pragma once

#include <string_view>

namespace veredus {

inline constexpr std::string_view kHiddenValue = "(hidden)";

// True for "password" and also for keys that end in such a word after an underscore, "bind_password".
bool is_secret_key(std::string_view key);

}  // namespace veredus
