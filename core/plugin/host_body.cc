// core.body/1: chunks of a body, and what takes their place.
#include <veredus/body.h>

#include "plugin/calls.h"
#include "plugin/interfaces.h"

namespace veredus {

namespace {

vrd_str body_chunk(const vrd_stage* given) {
  vrd_stage* stage = checked(given, "core.body chunk");
  if (!stage) return {"", 0};
  std::string_view chunk = stage->subject->chunk;
  return {chunk.empty() ? "" : chunk.data(), chunk.size()};
}

int32_t body_last(const vrd_stage* given) {
  vrd_stage* stage = checked(given, "core.body last");
  return stage && stage->subject->last ? 1 : 0;
}

vrd_status body_emit(vrd_stage* given, vrd_str octets) {
  vrd_stage* stage = checked(given, "core.body emit");
  if (!stage || stage_info(stage->info->stage).kind != StageKind::stream) return VRD_E_STATE;
  if ((stage->info->may & kMayBody) == 0) {
    stage->record->misbehaved("core.body emit", "without the right VRD_MAY_BODY");
    return VRD_E_DENIED;
  }
  stage->touched = true;
  if (octets.len > HookCall::kMostEmitted - stage->emitted_octets) return VRD_E_MEMORY;
  stage->emitted_octets += octets.len;
  if (stage->call)
    stage->call->emit(text_of(octets));
  else
    stage->emitted.append(text_of(octets));
  return VRD_OK;
}

constexpr vrd_core_body_1 kTable{VRD_SIZED(vrd_core_body_1), 0, body_chunk, body_last, body_emit};

}  // namespace

const vrd_core_body_1& core_body() { return kTable; }

}  // namespace veredus
