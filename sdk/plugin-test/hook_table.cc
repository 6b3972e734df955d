// core.hook/1 and core.body/1: what a hook does with its call.
#include <mutex>

#include "stage.h"

namespace veredus::ptest {

namespace {

constexpr size_t kMostEmitted = 16u << 20;

bool usable(const vrd_stage* stage, const char* function) {
  if (!stage) {
    watch().breach("arguments", std::string(function) + " without its stage");
    return false;
  }
  if (stage->ended) watch().breach("stage ended", std::string(function) + " after " + stage->what + " had returned");
  return !stage->ended && on_loop(function);
}

uint32_t number(const vrd_stage* stage) { return usable(stage, "core.hook number") ? stage->rule->number : 0; }

vrd_pending defer(vrd_stage* stage, uint32_t timeout_ms) {
  if (!usable(stage, "core.hook defer")) return 0;
  bool allowed = !stage->rule->told && stage->token == 0 && timeout_ms >= 1 && timeout_ms <= 3'600'000;
  if (!allowed) watch().breach("defer", stage->what + " defers at a told stage, twice, or with a time-out out of bounds");
  if (!allowed || stage->bench->no_memory(Scarce::tokens)) return 0;
  Token token;
  token.what = stage->what;
  token.owner = stage->owner;
  token.ended = stage->answered;
  stage->token = stage->bench->open_token(std::move(token), timeout_ms);
  return stage->token;
}

const vrd_view* view(vrd_stage* stage) { return usable(stage, "core.hook view") ? stage->view : nullptr; }

vrd_edits* edits(vrd_stage* stage) {
  if (!usable(stage, "core.hook edits")) return nullptr;
  if (!stage->edits) stage->edits = new_edits(stage->owner, true);
  return stage->edits;
}

vrd_status complete(vrd_pending number, const vrd_verdict* verdict, vrd_edits* given) {
  std::vector<Edit> list = take_edits(given, "core.hook complete");
  Token* token = find_token(number);
  if (!token || token->kind != TokenKind::hook) {
    watch().breach("token", "core.hook complete of a token that no hook was given");
    return VRD_E_INVALID;
  }
  bool first = end_token(number, TokenState::answered, [&](Token& mine) {
    if (verdict) mine.verdict = *verdict;
    mine.edits = std::move(list);
  });
  if (!first && token->state == TokenState::answered) watch().breach("token", "a token of " + token->what + " was completed twice");
  return first ? VRD_OK : VRD_E_LATE;
}

vrd_str chunk(const vrd_stage* stage) { return usable(stage, "core.body chunk") ? str_of(stage->chunk) : no_str(); }
int32_t last(const vrd_stage* stage) { return usable(stage, "core.body last") && stage->last ? 1 : 0; }

vrd_status emit(vrd_stage* stage, vrd_str octets) {
  if (!usable(stage, "core.body emit") || !stage->rule->stream) return VRD_E_STATE;
  if (!(stage->hook->may & VRD_MAY_BODY)) {
    watch().breach("right", stage->what + " emits a body without the right");
    return VRD_E_DENIED;
  }
  if (stage->emitted.size() + octets.len > kMostEmitted) return VRD_E_MEMORY;
  stage->emitted.append(view_of(octets));
  return VRD_OK;
}

}  // namespace

const vrd_core_hook_1* hook_table() {
  static const vrd_core_hook_1 kTable{sizeof(vrd_core_hook_1), 0, number, defer, view, retain_view, release_view, edits, complete};
  return &kTable;
}

const vrd_core_body_1* body_table() {
  static const vrd_core_body_1 kTable{sizeof(vrd_core_body_1), 0, chunk, last, emit};
  return &kTable;
}

}  // namespace veredus::ptest
