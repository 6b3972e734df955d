// Runner: the one place where hooks are called. It calls them in order, waits for those that answer later, turns illegal verdicts into
// faults and faults into what their policy says, refuses edits without a right, measures, and writes the log. One a loop. [loop]
#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "hooks/hook.h"
#include "hooks/pending.h"
#include "hooks/stage_table.h"
#include "log/log.h"

namespace veredus {

// What hooks have said for longer than one step, and the set that a session began with. One a session; one a message elsewhere.
struct HookState {
  HookState() = default;
  explicit HookState(std::shared_ptr<const HookSet> set) : hooks(std::move(set)) {}
  void end_transaction() { skip_transaction = false; }

  std::shared_ptr<const HookSet> hooks;
  bool skip_transaction = false;
  bool skip_connection = false;
};

struct RunnerOptions {
  RunnerOptions();
  uint64_t (*nanos)();                // a monotonic clock
  uint64_t slow_nanos = 2'000'000;    // a call that blocks the loop for longer is logged
};

class Runner {
 public:
  Runner(Loop& loop, Log& log, std::shared_ptr<const HookSet> hooks, RunnerOptions options = {});
  Runner(const Runner&) = delete;

  HookState begin() const { return HookState(hooks_); }  // a session or a message pins the set of now
  void use(std::shared_ptr<const HookSet> hooks) { hooks_ = std::move(hooks); }  // after a reload, for those that begin later
  const HookSet& hooks() const { return *hooks_; }

  // Callers ask first, so that a stage without hooks costs a branch.
  bool any(Stage stage) const { return hooks_->any(stage); }
  static bool any(Stage stage, const HookState& state) { return state.hooks->any(stage); }

  // The stage's decision. What `subject` points to, and `state`, must live until the answer. Destroying the task cancels the hook waited for.
  Task<Decision> run(Stage stage, Subject subject, HookState& state);
  void tell(Stage stage, const Subject& subject, const HookState& state);
  void tell(Stage stage, const Subject& subject);

  PendingTable& pending() { return pending_; }

 private:
  struct Timed {
    HookAnswer answer;
    uint64_t began = 0;
    std::string_view problem;  // why this is a fault
    bool timed_out = false;
  };
  class Cancelling;

  Timed invoke(Hook& hook, HookCall& call, const StageInfo& info);
  Task<Timed> wait(Hook& hook, HookCall& call, Timed timed);
  Verdict judge(const Hook& hook, const StageInfo& info, const Subject& subject, Timed& timed);
  Verdict after_fault(const Hook& hook, const StageInfo& info, const Subject& subject, const Timed& timed);
  void take_edits(const Hook& hook, const StageInfo& info, const Subject& subject, std::vector<Edit> edits, Decision& decision);
  void log_verdict(const Hook& hook, const StageInfo& info, const Subject& subject, const Verdict& verdict, uint64_t began);
  void log_fault(const Hook& hook, const StageInfo& info, const Subject& subject, std::string_view reason);

  Log& log_;
  std::shared_ptr<const HookSet> hooks_;
  RunnerOptions options_;
  PendingTable pending_;
};

}  // namespace veredus
