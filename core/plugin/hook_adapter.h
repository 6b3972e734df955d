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
  void ask_row(HookRow& row) override;
  void cancel(PendingToken token) override;
  HookStats snapshot() const override;

  Instance& instance() const { return instance_; }
  HookStats stats() const;       // [any] with what was spent on the loop of a serial plugin
  uint64_t waiting() const;      // [any] calls whose answer is still to come
  void shard_ends() {                      // calls are faults from now on
    hot_.serves = carries_ = false;
  }

 private:
  // What a call here needs, in one line of the cache.
  struct alignas(64) Hot {
    decltype(vrd_hook::call) function;
    void* object;  // the shard's
    bool serves;   // false: calls go to another loop, or nowhere any more
    Caller caller;
    QuickCounters counters;
  };

  vrd_status invoke(vrd_stage& stage, vrd_verdict& verdict) noexcept;
  vrd_status threw() noexcept;
  static Verdict fault();
  bool count(uint64_t spent, HookRow& row);
  Verdict conclude(vrd_stage& stage, vrd_status status, const vrd_verdict& verdict, HookCall& call);
  Verdict judged(vrd_stage& stage, const vrd_verdict& verdict, HookCall& call);
  Verdict carry(HookCall& call);
  void carried(std::shared_ptr<const HookView> picture, PendingToken token);  // on the serving loop
  void unserved(PendingToken token);
  void answer_carried(vrd_stage& stage, bool ok, const vrd_verdict& verdict);
  void tell_cancelled(PendingToken token);

  Instance& instance_;
  const vrd_hook& hook_;
  LoopServices& services_;  // of the loop whose runner calls
  PluginRecord& record_;
  Hot hot_;
  bool carries_;
  HookCounters served_;     // of a serial plugin, by the loop that serves it
  std::atomic<uint64_t> cancelled_{0};
};

}  // namespace veredus
