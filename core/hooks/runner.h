// Runner: the one place where hooks are called. It calls them in order, waits for those that answer later, turns illegal verdicts into
// faults and faults into what their policy says, refuses edits without a right, measures, and writes the log. One a loop. [loop]
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "hooks/hook.h"
#include "hooks/pending.h"
#include "hooks/stage_run.h"
#include "hooks/stage_table.h"
#include "log/log.h"
#include "loop/task.h"

namespace veredus {

struct RunnerOptions {
  uint64_t (*nanos)() = nullptr;      // a monotonic clock of a test; otherwise Ticks
  uint64_t slow_nanos = 2'000'000;    // a call that blocks the loop for longer is logged
};

class StageRun;
using Asked = std::unique_ptr<StageProgress>;  // what came of asking: null when every hook said `next`, and there is nothing to do

class Runner {
 public:
  Runner(Loop& loop, Log& log, std::shared_ptr<const HookSet> hooks, RunnerOptions options = {});
  Runner(const Runner&) = delete;

  HookState begin() const { return HookState(hooks_); }  // a session or a message pins the set of now
  void use(std::shared_ptr<const HookSet> hooks) { hooks_ = std::move(hooks); }  // after a reload, for those that begin later
  const HookSet& hooks() const { return *hooks_; }
  void set_slow(Millis limit) { set_slow_nanos(static_cast<uint64_t>(std::chrono::nanoseconds(limit).count())); }
  // Where the message is named that a hook is called for, for whoever looks after a crash.
  void name_in(std::atomic<uint64_t>* in_hand) { in_hand_ = in_hand; }

  // Callers ask first, so that a stage without hooks costs a branch.
  bool any(Stage stage) const { return hooks_->any(stage); }
  static bool any(Stage stage, const HookState& state) { return state.hooks->any(stage); }

  // Asks the stage's hooks until one wants to answer later. What `subject` points to, and `state`, must live until the answer.
  Asked ask(Stage stage, const Subject& subject, HookState& state);
  // co_await it: the stage's decision. Destroying what awaits it cancels the hook waited for. At `body` a call is one chunk; without
  // hooks that rewrite, Decision::body is empty.
  StageRun run(Asked asked);
  StageRun run(Stage stage, const Subject& subject, HookState& state);
  void tell(Stage stage, const Subject& subject, const HookState& state);
  void tell(Stage stage, const Subject& subject);

  PendingTable& pending() { return pending_; }

 private:
  friend class StageRun;
  struct Answered {
    HookAnswer answer;
    std::string_view problem;  // why this is a fault
    std::string refused_edit;  // what `problem` points to when it is an edit
    bool timed_out = false;
  };

  bool quick(const StageInfo& info, const Subject& subject, const HookState& state) const;
  Asked ask_quickly(const StageInfo& info, const Subject& subject, HookState& state);
  bool proceed(StageProgress& progress);
  bool go_on(StageProgress& progress, HookCall& call, Verdict verdict);
  Task<void> finish(StageProgress* progress);
  bool conclude(StageProgress& progress, Answered answered);
  uint64_t now() const { return options_.nanos ? options_.nanos() : Ticks::now(); }
  uint64_t nanos_of(uint64_t span) const { return options_.nanos ? span : Ticks::to_nanos(span); }
  void set_slow_nanos(uint64_t nanos);
  uint64_t measure(Hook& hook, const StageInfo& info, uint64_t began);
  Verdict judge(StageProgress& progress, Answered& answered);
  Verdict after_fault(StageProgress& progress, const Answered& answered);
  void pass_chunk(StageProgress& progress, Action action, const Answered& answered);
  static void check_edits(const StageProgress& progress, Answered& answered);
  void take_edits(StageProgress& progress, std::vector<Edit> edits);
  void log_verdict(const StageProgress& progress, const Verdict& verdict);
  void log_fault(Hook& hook, const StageInfo& info, const Subject& subject, std::string_view reason);

  Log& log_;
  std::shared_ptr<const HookSet> hooks_;
  RunnerOptions options_;
  uint64_t quick_ticks_ = Ticks::from_nanos(QuickCounters::kBelowNanos), slow_ticks_ = 0;
  PendingTable pending_;
  std::atomic<uint64_t>* in_hand_ = nullptr;
};

// Awaited once. As long as hooks answer at once there is no coroutine frame but the caller's.
class [[nodiscard]] StageRun {
 public:
  StageRun(Runner& runner, Asked asked) : runner_(runner), progress_(std::move(asked)) {}
  StageRun(const StageRun&) = delete;

  bool await_ready() const { return !progress_ || !progress_->pending; }
  bool await_suspend(std::coroutine_handle<> caller) { return rest_.emplace(runner_.finish(progress_.get())).await_suspend(caller); }
  Decision await_resume() {
    if (!progress_) return {};
    if (progress_->body.replaced()) progress_->decision.body = progress_->body.take();
    return std::move(progress_->decision);
  }

 private:
  Runner& runner_;
  Asked progress_;
  std::optional<Task<void>> rest_;  // dies first: its end cancels the hook waited for
};

inline StageRun Runner::run(Asked asked) { return StageRun(*this, std::move(asked)); }
inline StageRun Runner::run(Stage stage, const Subject& subject, HookState& state) { return run(ask(stage, subject, state)); }

}  // namespace veredus
