// Between strings of the ABI and those of C++. Values; any thread.
#pragma once

#include <veredus/types.h>

#include <string>
#include <string_view>

namespace veredus::ptest {

inline std::string_view view_of(vrd_str text) { return text.len == 0 ? std::string_view() : std::string_view(text.ptr, text.len); }
inline std::string string_of(vrd_str text) { return std::string(view_of(text)); }
inline vrd_str str_of(const std::string& text) { return vrd_str{text.c_str(), text.size()}; }
inline vrd_str no_str() { return vrd_str{"", 0}; }

std::string_view status_text(vrd_status status);             // "timeout"
bool status_by_text(std::string_view text, vrd_status* out);  // "ok", "timeout", "temporary" ...

}  // namespace veredus::ptest
