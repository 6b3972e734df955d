// Settings of `core:` as they are written, without judging the whole configuration: for programs that must work for users who may not
// read all of it, and while it is being edited. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/node.h"

namespace veredus {

class WrittenCore {
 public:
  explicit WrittenCore(const std::string& directory);  // reads every fragment that can be read, once
  // Empty when it is not written. `inner`: of a group ("submission", "hide_client").
  std::string text(std::string_view name, std::string_view inner = {}) const;

 private:
  std::vector<ConfigNode> parts_;
};

}  // namespace veredus
