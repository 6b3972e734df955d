// A verdict of the C interface becomes one of the runner's.
#include <veredus/stage.h>

#include <algorithm>
#include <array>

#include "plugin/calls.h"

namespace veredus {

namespace {

constexpr uint32_t kMostCode = 599;

std::string_view nonsense_in(const vrd_verdict& verdict) {
  bool clear = std::all_of(std::begin(verdict.reserved), std::end(verdict.reserved), [](uint8_t octet) { return octet == 0; });
  if (!clear || verdict.zero != 0) return "reserved octets of a verdict are not zero";
  if (verdict.action < 0 || verdict.action >= static_cast<int32_t>(kActionCount)) return "an action that does not exist";
  if (verdict.scope < VRD_SCOPE_STEP || verdict.scope > VRD_SCOPE_CONNECTION) return "a scope that does not exist";
  if (verdict.smtp != 0 && (verdict.smtp < 200 || verdict.smtp > kMostCode)) return "a reply code out of bounds";
  return {};
}

EnhancedCode enhanced_of(const uint8_t (&octets)[3]) { return {octets[0], octets[1], octets[2]}; }

// What the verdict leaves open is taken from reply(), then from the stage's default.
Reply reply_of(const vrd_verdict& verdict, const vrd_edits& edits, Stage stage, Action action) {
  Reply out;
  uint32_t code = verdict.smtp != 0 ? verdict.smtp : edits.smtp;
  EnhancedCode enhanced = enhanced_of(verdict.enhanced);
  if (!enhanced) enhanced = enhanced_of(edits.enhanced);
  if (code == 0 && !enhanced && edits.text.empty()) return out;
  Reply fallback = default_reply(stage, action);
  out.code = code != 0 ? static_cast<uint16_t>(code) : fallback.code;
  if (out.code == 0) return {};
  if (!enhanced && fallback.code / 100 == out.code / 100) enhanced = fallback.enhanced;
  if (!enhanced) enhanced = {static_cast<uint8_t>(out.code / 100), 0, 0};
  out.enhanced = enhanced;
  if (!edits.text.empty()) {
    out.lines = {edits.text};
  } else {
    out.lines = fallback.lines.empty() ? std::vector<std::string>{""} : fallback.lines;
  }
  return out;
}

}  // namespace

HookAnswer to_answer(const vrd_verdict& verdict, vrd_edits& edits, Stage stage, PluginRecord& record, std::string_view function) {
  HookAnswer out;
  std::string_view nonsense = nonsense_in(verdict);
  if (!nonsense.empty()) {
    record.misbehaved(function, nonsense);
    out.verdict.action = Action::fault;
    return out;
  }
  out.verdict.action = static_cast<Action>(verdict.action);
  out.verdict.scope = static_cast<VerdictScope>(verdict.scope);
  out.verdict.reply = reply_of(verdict, edits, stage, out.verdict.action);
  out.verdict.rule = std::move(edits.rule);
  out.edits = std::move(edits.list);
  edits.clear();
  return out;
}

}  // namespace veredus
