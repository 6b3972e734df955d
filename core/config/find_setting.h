// One setting of `core:` as it is written, without reading the whole configuration: for programs that must work for users who may not
// read all of it, and while it is being edited. Any thread.
#pragma once

#include <string>

namespace veredus {

// Empty when it is not written, or not readable. `inner`: of a group ("submission", "hide_client").
std::string find_core_setting_text(const std::string& directory, const std::string& name, const std::string& inner = {});

}  // namespace veredus
