// Generation: all plugins of one configuration. Made whole or not at all; ended when the last pin is gone: a session's set of hooks, a call
// that is under way. Immutable while it runs, so any thread may look things up. Made and ended by the plugin host, on the main thread.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "hooks/hook.h"
#include "plugin/instance.h"
#include "plugin/start_watch.h"

namespace veredus {

class CHook;
class PluginHost;

class Generation {
 public:
  Generation(uint64_t number, SettingsPtr core);
  Generation(const Generation&) = delete;
  ~Generation();

  uint64_t number() const { return number_; }
  const SettingsPtr& core() const { return core_; }
  std::span<const std::unique_ptr<Instance>> instances() const { return instances_; }
  // By label, or by the plugin's id if it has one instance only. Null: there is none.
  Instance* find(std::string_view name) const;
  // Keeps the generation from ending. Null once nobody holds it any more.
  std::shared_ptr<Generation> pin() const { return pin_.lock(); }

  // The plugin host's.
  void pinned_by(std::weak_ptr<Generation> pin) { pin_ = std::move(pin); }
  void watched_by(std::unique_ptr<StartWatch> watch) { watch_ = std::move(watch); }  // while it is created and started
  StartWatch* watch() const { return watch_.get(); }
  Status create(const std::vector<PreparedPlugin>& plugins, unsigned loops, const Generation* before);  // [main]
  Status start_here(LoopServices& services);        // [loop] shards and hooks of this loop
  Task<void> stop_here(LoopServices& services);     // [loop] likewise; also after start_here() failed halfway
  void quiesce();                                   // [main]
  void destroy();                                   // [main]
  void set_phase(InstancePhase phase);
  // The hooks of one loop, each of which holds `pin`. [any] after start_here() of that loop.
  std::shared_ptr<const HookSet> hook_set(unsigned loop, const std::shared_ptr<Generation>& pin) const;
  std::span<const std::unique_ptr<CHook>> hooks(unsigned loop) const { return hooks_[loop]; }
  unsigned loops() const { return static_cast<unsigned>(hooks_.size()); }

 private:
  Status create_one(const PreparedPlugin& plugin, unsigned loops, const Generation* before);

  uint64_t number_;
  SettingsPtr core_;
  std::weak_ptr<Generation> pin_;
  std::unique_ptr<StartWatch> watch_;
  std::vector<std::unique_ptr<Instance>> instances_;
  std::vector<std::vector<std::unique_ptr<CHook>>> hooks_;  // by loop; each list is changed by its loop only
};

}  // namespace veredus
