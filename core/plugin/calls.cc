// Stages in turn, views that are kept, and the checks in front of every use.
#include "plugin/calls.h"

#include <veredus/stage.h>

#include <algorithm>
#include <cstring>

namespace veredus {

namespace {

void named(const vrd_stage& stage, std::string_view function, std::string_view reason) {
  uint32_t number = stage.plugin.load(std::memory_order_relaxed);
  if (std::shared_ptr<PluginRecord> record = PluginRecord::of(number)) record->misbehaved(function, reason);
}

bool usable(const vrd_stage& stage, std::string_view function) {
  if (LoopServices::here() != stage.services) {
    named(stage, function, "called on a thread that its tag does not allow");
    return false;
  }
  if (!stage.active()) named(stage, function, "used after its call");
  return stage.active();
}

}  // namespace

Calls::Calls(LoopServices& services) {
  for (size_t i = 0; i < kStages; ++i) {
    stages_[i].services = &services;
    stages_[i].following = &stages_[(i + 1) % kStages];
  }
  next_ = &stages_[0];
}

void Calls::clear(vrd_stage& stage) {
  stage.touched = false;
  if (stage.kept) release_view(std::exchange(stage.kept, nullptr));
  stage.view.subject = nullptr;
  stage.view.arena.reset();
  stage.view.headers.reset();
  stage.edits.clear();
  stage.picture.reset();
  stage.carried = stage.token = 0;
  stage.emitted.clear();
  stage.emitted_octets = 0;
}

vrd_stage* checked(const vrd_stage* stage, std::string_view function) {
  return stage && usable(*stage, function) ? const_cast<vrd_stage*>(stage) : nullptr;
}

vrd_view* checked(const vrd_view* view, std::string_view function) {
  if (!view || (view->stage && !usable(*view->stage, function))) return nullptr;
  return const_cast<vrd_view*>(view);
}

bool checked(const vrd_edits* edits, std::string_view function) {
  if (!edits || (edits->stage && !usable(*edits->stage, function))) return false;
  if (edits->stage) edits->stage->touched = true;
  return true;
}

const vrd_view* make_view(std::shared_ptr<const HookView> picture, std::shared_ptr<PluginRecord> record) {
  return new vrd_view(std::move(picture), std::move(record));
}

const vrd_view* retain_view(const vrd_view* given) {
  vrd_view* view = checked(given, "core.hook view_retain");
  if (!view) return nullptr;
  if (!view->stage) {
    view->holders.fetch_add(1, std::memory_order_relaxed);
    return view;
  }
  vrd_stage& stage = *view->stage;
  if (!stage.kept) {
    auto picture = stage.call ? stage.call->view() : stage.picture;
    stage.kept = new vrd_view(std::move(picture), PluginRecord::of(stage.record->number()));
    stage.touched = true;
  }
  stage.kept->holders.fetch_add(1, std::memory_order_relaxed);
  return stage.kept;
}

void release_view(const vrd_view* given) {
  auto* view = const_cast<vrd_view*>(given);
  if (!view) return;
  if (view->stage) return named(*view->stage, "core.hook view_release", "a view that was not retained");
  if (view->holders.fetch_sub(1, std::memory_order_acq_rel) == 1) delete view;
}

}  // namespace veredus

void vrd_edits::clear() {
  list.clear();
  replied = false;
  smtp = 0;
  std::fill(std::begin(enhanced), std::end(enhanced), uint8_t{0});
  text.clear();
  rule.clear();
}

vrd_view::vrd_view(std::shared_ptr<const veredus::HookView> picture, std::shared_ptr<veredus::PluginRecord> holder)
    : stage(nullptr), number(picture->stage()), frozen(std::move(picture)), frozen_subject(frozen->subject()), record(std::move(holder)) {
  subject = &frozen_subject;
  if (record) record->views.fetch_add(1, std::memory_order_relaxed);
}

vrd_view::~vrd_view() {
  if (record) record->views.fetch_sub(1, std::memory_order_relaxed);
}
