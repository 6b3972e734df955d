// The stage table: what each stage is called, of which kind it is, what may be answered and changed there, and the reply when a hook gives
// none. Declared here once; runner, control commands and manual read it. Constants; any thread.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>

#include "hooks/hooks.h"

namespace veredus {

enum class StageKind : uint8_t { asked, told, stream };

struct DefaultReply {
  uint16_t code = 0;
  EnhancedCode enhanced;
  std::string_view text;
};

struct StageInfo {
  Stage stage;
  std::string_view name;
  StageKind kind;
  bool skippable;      // `ok` with a wider scope spares later hooks of this stage
  bool prepend_only;   // of the header only the top may grow
  uint32_t actions;    // bits 1 << Action
  uint32_t edits;      // bits of Right
  DefaultReply reject, tempfail;

  bool allows(Action action) const;  // false for numbers that are no action
};

constexpr size_t kStageCount = 21;
std::span<const StageInfo, kStageCount> stages();
const StageInfo& stage_info(Stage stage);
std::optional<Stage> stage_by_name(std::string_view name);
namespace detail {
extern const std::array<uint8_t, static_cast<size_t>(Stage::disconnect) + 1> kStageRows;
}
inline size_t stage_index(Stage stage) { return detail::kStageRows[static_cast<size_t>(stage)]; }  // its row

std::string_view action_text(Action action);  // "reject"
std::optional<Action> action_by_name(std::string_view name);
Reply default_reply(Stage stage, Action action);  // code 0 for actions without a reply

Right right_for(const Edit& edit);
std::string_view edit_name(const Edit& edit);  // "insert header"

}  // namespace veredus
