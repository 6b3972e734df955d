// What a stage allows. The rows are those of core/hooks/stage_table: declared once, so that test host and daemon cannot drift apart. Constants;
// any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace veredus::ptest {

struct StageRule {
  uint32_t number = 0;
  std::string_view name;
  bool told = false, stream = false, skippable = false, prepend_only = false;
  uint32_t edits = 0;  // VRD_MAY_...

  bool allows(int32_t action) const;
};
const StageRule* stage_rule(uint32_t number);          // nullptr: no such stage
const StageRule* stage_rule(std::string_view name);
std::string_view action_name(int32_t action);          // "reject"

struct DefaultAnswer {
  uint32_t code = 0;
  uint8_t enhanced[3] = {0, 0, 0};
  std::string text;
};
DefaultAnswer default_answer(uint32_t stage, int32_t action);

}  // namespace veredus::ptest
