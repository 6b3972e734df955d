// From prepared plugins to running ones, and back.
#include "plugin/generation.h"

#include <veredus/stage.h>

#include <algorithm>

#include "plugin/hook_adapter.h"

namespace veredus {

namespace {

FaultPolicy policy_of(const PluginFragment& fragment, uint32_t of_plugin) {
  if (fragment.on_fault == "tempfail") return FaultPolicy::tempfail;
  if (fragment.on_fault == "next") return FaultPolicy::next;
  if (fragment.on_fault == "reject") return FaultPolicy::reject;
  return of_plugin == VRD_ON_FAULT_NEXT     ? FaultPolicy::next
         : of_plugin == VRD_ON_FAULT_REJECT ? FaultPolicy::reject
                                            : FaultPolicy::tempfail;
}

HookInfo info_of(const Instance& instance, const ManifestHook& hook) {
  const PluginFragment& fragment = instance.prepared().fragment;
  HookInfo out;
  out.plugin = instance.label();
  out.fragment = fragment.order;
  out.order = hook.order;
  out.stage = static_cast<Stage>(hook.stage);
  out.may = hook.may;
  out.needs = hook.needs;
  out.on_fault = policy_of(fragment, hook.on_fault);
  out.timeout_ms = static_cast<uint32_t>(std::min<int64_t>(fragment.timeout.count(), UINT32_MAX));
  return out;
}

}  // namespace

Generation::Generation(uint64_t number, SettingsPtr core) : number_(number), core_(std::move(core)) {}
Generation::~Generation() = default;

Instance* Generation::find(std::string_view name) const {
  Instance* found = nullptr;
  size_t of_this_plugin = 0;
  if (name.empty()) return nullptr;
  for (const auto& instance : instances_) {
    if (instance->label() == name || instance->prepared().fragment.instance == name) return instance.get();
    if (instance->name() != name) continue;
    found = instance.get();
    ++of_this_plugin;
  }
  return of_this_plugin == 1 ? found : nullptr;
}

Status Generation::create(const std::vector<PreparedPlugin>& plugins, unsigned loops, const Generation* before) {
  hooks_.resize(loops);
  for (const PreparedPlugin& plugin : plugins)
    if (Status made = create_one(plugin, loops, before); !made) return made;
  for (const auto& instance : instances_)
    if (instance->state)
      if (Status fine = instance->state->check(*this); !fine) return fine;
  return {};
}

Status Generation::create_one(const PreparedPlugin& plugin, unsigned loops, const Generation* before) {
  auto object = PluginObject::open(plugin.path);
  if (!object) {
    const Place& place = plugin.fragment.place;
    return fail(object.error().code, ConfigError{plugin.fragment.file, place.line, place.column, object.error().text}.full());
  }
  Instance* previous = before ? before->find(plugin.label()) : nullptr;
  instances_.push_back(std::make_unique<Instance>(*this, Instance::Made{*object, plugin, core_, loops}));
  bool same_code = previous && &previous->plugin() == &(*object)->plugin();
  return instances_.back()->create(same_code ? previous->self() : nullptr);
}

Status Generation::start_here(LoopServices& services) {
  auto& hooks = hooks_[services.loop.index()];
  for (const auto& instance : instances_) {
    if (Status started = instance->start_here(services); !started) return started;
    const auto& described = instance->manifest().hooks;
    for (size_t i = 0; i < described.size(); ++i)
      if (described[i].known)
        hooks.push_back(std::make_unique<CHook>(info_of(*instance, described[i]), *instance, *instance->plugin().hooks[i], services));
  }
  return {};
}

Task<void> Generation::stop_here(LoopServices& services) {
  for (const auto& hook : hooks_[services.loop.index()]) hook->shard_ends();
  for (size_t i = instances_.size(); i-- > 0;) co_await instances_[i]->stop_here(services);
}

void Generation::quiesce() {
  for (size_t i = instances_.size(); i-- > 0;) instances_[i]->quiesce();
}

void Generation::destroy() {
  for (size_t i = instances_.size(); i-- > 0;) instances_[i]->destroy();
}

void Generation::set_phase(InstancePhase phase) {
  for (const auto& instance : instances_) instance->set_phase(phase);
}

std::shared_ptr<const HookSet> Generation::hook_set(unsigned loop, const std::shared_ptr<Generation>& pin) const {
  std::vector<std::shared_ptr<Hook>> out;
  for (const auto& hook : hooks_[loop]) out.emplace_back(pin, hook.get());
  return std::make_shared<const HookSet>(std::move(out), number_);
}

}  // namespace veredus
