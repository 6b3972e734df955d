// core.hook/1: what a hook does with its call.
#include <veredus/hook.h>

#include <algorithm>

#include "plugin/calls.h"
#include "plugin/interfaces.h"
#include "plugin/serial_calls.h"

namespace veredus {

namespace {

constexpr uint32_t kLongestDefer = 3'600'000;

uint32_t hook_number(const vrd_stage* given) {
  vrd_stage* stage = checked(given, "core.hook number");
  return stage ? static_cast<uint32_t>(stage->info->stage) : 0;
}

Millis capped(const HookInfo& info, uint32_t timeout_ms) {
  return Millis(info.timeout_ms > 0 ? std::min(info.timeout_ms, timeout_ms) : timeout_ms);
}

vrd_pending hook_defer(vrd_stage* given, uint32_t timeout_ms) {
  vrd_stage* stage = checked(given, "core.hook defer");
  if (!stage || timeout_ms == 0 || timeout_ms > kLongestDefer || stage->token != 0) return 0;
  stage->wait = capped(*stage->info, timeout_ms);
  stage->token = stage->call ? stage->call->defer(stage->wait) : stage->carried;
  if (stage->token == 0) return 0;
  stage->touched = true;
  if (stage->call) stage->services->calls->owners.note(stage->token, stage->record->number(), stage_index(stage->info->stage));
  return stage->token;
}

const vrd_view* hook_view(vrd_stage* given) {
  vrd_stage* stage = checked(given, "core.hook view");
  if (!stage) return nullptr;
  stage->touched = true;
  stage->view.subject = stage->subject;
  stage->view.number = stage->info->stage;
  return &stage->view;
}

vrd_edits* hook_edits(vrd_stage* given) {
  vrd_stage* stage = checked(given, "core.hook edits");
  if (!stage) return nullptr;
  stage->touched = true;
  return &stage->edits;
}

// Consumes the list; one that belongs to a call is no list to give away.
std::unique_ptr<vrd_edits> taken(vrd_edits* edits, bool& sound) {
  sound = !edits || !edits->stage;
  if (!edits || !sound) return std::make_unique<vrd_edits>();
  edits->record->edits.fetch_sub(1, std::memory_order_relaxed);
  return std::unique_ptr<vrd_edits>(edits);
}

vrd_status deliver(PendingTable& table, PluginRecord* record, vrd_pending token, HookAnswer answer) {
  SerialCalls* serial = record ? record->serial() : nullptr;
  bool taken = serial ? serial->answer(token, std::move(answer), table) : table.complete(token, std::move(answer)) == Completion::taken;
  if (taken) return VRD_OK;
  if (record) record->late("core.hook complete");
  return VRD_E_LATE;
}

vrd_status hook_complete(vrd_pending token, const vrd_verdict* verdict, vrd_edits* given) {
  bool sound = true;
  std::unique_ptr<vrd_edits> edits = taken(given, sound);
  LoopServices* services = LoopServices::of(PendingTable::loop_of(token));
  TokenOwner owner = services ? services->calls->owners.find(token) : TokenOwner();
  bool known = services && services->runner && owner.known != TokenOwner::Known::never;
  bool foreign = edits->record && owner.plugin != 0 && edits->record->number() != owner.plugin;
  std::shared_ptr<PluginRecord> record = owner.plugin != 0 ? PluginRecord::of(owner.plugin) : edits->record;
  if (!known || foreign || !sound) {
    if (foreign) record = edits->record;
    if (record) record->misbehaved("core.hook complete", sound ? "not a token of this plugin" : "a list of edits that belongs to a call");
    return VRD_E_INVALID;
  }
  HookAnswer answer;
  if (record && owner.known == TokenOwner::Known::yes)
    answer = to_answer(verdict ? *verdict : vrd_verdict{}, *edits, stages()[owner.stage].stage, *record, "core.hook complete");
  return deliver(services->runner->pending(), record.get(), token, std::move(answer));
}

constexpr vrd_core_hook_1 kTable{
    VRD_SIZED(vrd_core_hook_1), 0, hook_number, hook_defer, hook_view, retain_view, release_view, hook_edits, hook_complete,
};

}  // namespace

const vrd_core_hook_1& core_hook() { return kTable; }

}  // namespace veredus
