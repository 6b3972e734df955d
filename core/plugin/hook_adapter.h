// CHook: a hook of a plugin as the runner calls it. Calls the plugin's function with the loop's shard; a serial plugin is called on its one
// loop, with a picture of what the stage shows, and its answer comes back like any later answer. One object a hook and loop. [loop]
#pragma once

#include <atomic>

#include <veredus/plugin.h>

#include "plugin/calls.h"
#include "plugin/instance.h"

namespace veredus {

class CHook final : public Hook {
 public:
  CHook(HookInfo info, Instance& instance, const vrd_hook& hook, LoopServices& services);

  Verdict call(HookCall& call) override;
  void cancel(PendingToken token) override;

  Instance& instance() const { return instance_; }
  HookStats stats() const;       // [any] with what was spent on the loop of a serial plugin
  uint64_t waiting() const;      // [any] calls whose answer is still to come
  void shard_ends() {                      // calls are faults from now on
    shard_ = nullptr;
    carries_ = false;
  }

 private:
  struct Outcome {
    bool ok = false;
    vrd_verdict verdict{};
  };

  vrd_status invoke(void* object, vrd_stage& stage, vrd_verdict& verdict) noexcept;
  Verdict fault();
  Verdict conclude(vrd_stage& stage, const vrd_verdict& verdict, HookCall& call);
  Verdict carry(HookCall& call);
  void carried(std::shared_ptr<const HookView> picture, PendingToken token);  // on the serving loop
  void unserved(PendingToken token);
  void answer_carried(vrd_stage& stage, bool ok, const vrd_verdict& verdict);
  void tell_cancelled(PendingToken token);

  Instance& instance_;
  const vrd_hook& hook_;
  LoopServices& services_;  // of the loop whose runner calls
  PluginRecord& record_;
  Shard* shard_;            // null: calls go to another loop, or nowhere any more
  bool carries_;
  HookCounters served_;     // of a serial plugin, by the loop that serves it
  std::atomic<uint64_t> cancelled_{0};
};

}  // namespace veredus
