// Copies of the core's rows with the numbers of the ABI.
#include "rules.h"

#include "hooks/stage_table.h"

namespace veredus::ptest {

namespace {

std::vector<StageRule> read_rows() {
  std::vector<StageRule> out;
  for (const StageInfo& info : stages()) {
    bool told = info.kind == StageKind::told, stream = info.kind == StageKind::stream;
    out.push_back({static_cast<uint32_t>(info.stage), info.name, told, stream, info.skippable, info.prepend_only, info.edits});
  }
  return out;
}

const std::vector<StageRule>& rows() {
  static const std::vector<StageRule> kRows = read_rows();
  return kRows;
}

}  // namespace

bool StageRule::allows(int32_t action) const { return stage_info(static_cast<Stage>(number)).allows(static_cast<Action>(action)); }

const StageRule* stage_rule(uint32_t number) {
  for (const StageRule& row : rows())
    if (row.number == number) return &row;
  return nullptr;
}

const StageRule* stage_rule(std::string_view name) {
  for (const StageRule& row : rows())
    if (row.name == name) return &row;
  return nullptr;
}

std::string_view action_name(int32_t action) { return action < 0 ? "unknown" : action_text(static_cast<Action>(action)); }

DefaultAnswer default_answer(uint32_t stage, int32_t action) {
  Reply reply = default_reply(static_cast<Stage>(stage), static_cast<Action>(action));
  DefaultAnswer out;
  out.code = reply.code;
  out.enhanced[0] = static_cast<uint8_t>(reply.enhanced.cls);
  out.enhanced[1] = static_cast<uint8_t>(reply.enhanced.subject);
  out.enhanced[2] = static_cast<uint8_t>(reply.enhanced.detail);
  if (!reply.lines.empty()) out.text = reply.lines.front();
  return out;
}

}  // namespace veredus::ptest
