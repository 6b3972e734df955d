// From a stage and its hooks to one decision.
#include "hooks/runner.h"

#include <chrono>

#include "hooks/edits.h"
#include "log/events.h"

namespace veredus {

namespace {

uint64_t steady_nanos() {
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

std::string id_of(const Subject& subject) {
  return subject.envelope && subject.envelope->id ? subject.envelope->id.text() : std::string();
}

bool fits(const Reply& reply, Action action) {
  bool same_class = !reply.enhanced || reply.enhanced.cls == reply.code / 100;
  if (reply.code == 0 || !same_class) return reply.code == 0;
  switch (action) {
    case Action::reject:
      return reply.permanent();
    case Action::tempfail:
      return reply.temporary();
    case Action::disconnect:
      return reply.code == 421 || reply.permanent();
    default:
      return reply.code >= 200 && reply.code < 300;
  }
}

// Why a verdict cannot stand; empty when it can.
std::string_view problem_of(const Verdict& verdict, const StageInfo& info) {
  auto scope = static_cast<int32_t>(verdict.scope);
  if (verdict.action == Action::fault) return "the hook reported a fault";
  if (verdict.action == Action::pending) return "pending without a token";
  if (!info.allows(verdict.action)) return "an action that this stage does not allow";
  if (scope < 0 || scope > static_cast<int32_t>(VerdictScope::connection)) return "an unknown scope";
  if (!fits(verdict.reply, verdict.action)) return "a reply that does not fit the action";
  return {};
}

Action action_for(FaultPolicy policy, const StageInfo& info) {
  if (policy == FaultPolicy::next) return Action::next;
  return policy == FaultPolicy::reject && info.allows(Action::reject) ? Action::reject : Action::tempfail;
}

bool is_final(Action action) {
  return action == Action::reject || action == Action::tempfail || action == Action::discard || action == Action::disconnect;
}

void widen(const StageInfo& info, VerdictScope scope, HookState& state) {
  if (!info.skippable) return;
  if (scope == VerdictScope::transaction) state.skip_transaction = true;
  if (scope == VerdictScope::connection) state.skip_connection = true;
}

// True: no further hook is asked. A hold is kept while later hooks may still refuse.
bool settle(const StageInfo& info, Verdict verdict, Decision& decision, HookState& state) {
  if (is_final(verdict.action)) {
    decision.verdict = std::move(verdict);
    return true;
  }
  bool held = decision.verdict.action == Action::hold;
  if (verdict.action == Action::hold && !held) decision.verdict = std::move(verdict);
  if (verdict.action != Action::ok) return false;
  widen(info, verdict.scope, state);
  if (!held) decision.verdict = std::move(verdict);
  return true;
}

}  // namespace

RunnerOptions::RunnerOptions() : nanos(&steady_nanos) {}

Runner::Runner(Loop& loop, Log& log, std::shared_ptr<const HookSet> hooks, RunnerOptions options)
    : log_(log), hooks_(std::move(hooks)), options_(options), pending_(loop) {}

// Tells the hook, once, that nobody waits any more, if the wait ends before its answer.
class Runner::Cancelling {
 public:
  Cancelling(Hook& hook, PendingCall& call) : hook_(hook), call_(call) {}
  Cancelling(const Cancelling&) = delete;
  ~Cancelling() {
    PendingToken token = call_.token();
    if (call_.abandon()) hook_.cancel(token);
  }

 private:
  Hook& hook_;
  PendingCall& call_;
};

Task<Decision> Runner::run(Stage stage, Subject subject, HookState& state) {
  Decision decision;
  const StageInfo& info = stage_info(stage);
  if (info.skippable && (state.skip_transaction || state.skip_connection)) co_return decision;
  std::shared_ptr<const HookSet> hooks = state.hooks;
  for (const std::shared_ptr<Hook>& hook : hooks->at(stage)) {
    HookCall call(pending_, stage, subject, decision.edits, true);
    Timed timed = invoke(*hook, call, info);
    if (timed.answer.verdict.action == Action::pending && call.pending().opened()) {
      Timed later = co_await wait(*hook, call, std::move(timed));
      timed = std::move(later);
    }
    Verdict verdict = judge(*hook, info, subject, timed);
    take_edits(*hook, info, subject, std::move(timed.answer.edits), decision);
    if (settle(info, std::move(verdict), decision, state)) break;
  }
  co_return decision;
}

Runner::Timed Runner::invoke(Hook& hook, HookCall& call, const StageInfo& info) {
  Timed out;
  out.began = options_.nanos();
  out.answer.verdict = hook.call(call);
  uint64_t took = options_.nanos() - out.began;
  if (took > options_.slow_nanos)
    log_.write(events::kHookSlow, {{"plugin", hook.info().plugin}, {"stage", info.name}, {"us", took / 1000}});
  out.answer.edits = std::move(call.edits());
  return out;
}

Task<Runner::Timed> Runner::wait(Hook& hook, HookCall& call, Timed timed) {
  Cancelling cancelling(hook, call.pending());
  std::optional<HookAnswer> answer = co_await call.pending().answer();
  if (!answer) {
    timed.timed_out = true;
    timed.problem = "no answer in time";
    co_return timed;
  }
  timed.answer.verdict = std::move(answer->verdict);
  for (Edit& edit : answer->edits) timed.answer.edits.push_back(std::move(edit));
  co_return timed;
}

Verdict Runner::judge(const Hook& hook, const StageInfo& info, const Subject& subject, Timed& timed) {
  if (timed.problem.empty()) timed.problem = problem_of(timed.answer.verdict, info);
  Verdict verdict;
  if (timed.problem.empty()) {
    verdict = std::move(timed.answer.verdict);
    verdict.rule = verdict.rule.empty() ? hook.info().plugin : hook.info().plugin + ": " + verdict.rule;
  } else {
    timed.answer.edits.clear();
    verdict = after_fault(hook, info, subject, timed);
  }
  if (verdict.reply.code == 0) verdict.reply = default_reply(info.stage, verdict.action);
  log_verdict(hook, info, subject, verdict, timed.began);
  return verdict;
}

Verdict Runner::after_fault(const Hook& hook, const StageInfo& info, const Subject& subject, const Timed& timed) {
  if (timed.timed_out) {
    log_.write(events::kHookTimeout, {{"plugin", hook.info().plugin}, {"stage", info.name}, {"id", id_of(subject)}});
  } else {
    log_fault(hook, info, subject, timed.problem);
  }
  Verdict out;
  out.action = action_for(hook.info().on_fault, info);
  out.rule = hook.info().plugin + ": fault";
  return out;
}

// All edits of a call are taken, or none: half of a change may be worse than no change.
void Runner::take_edits(const Hook& hook, const StageInfo& info, const Subject& subject, std::vector<Edit> edits, Decision& decision) {
  for (const Edit& edit : edits) {
    std::string_view problem = edit_problem(edit, hook.info().may, info);
    if (problem.empty()) continue;
    return log_fault(hook, info, subject, std::string(edit_name(edit)) + ": " + std::string(problem));
  }
  for (Edit& edit : edits) decision.edits.push_back(std::move(edit));
}

void Runner::tell(Stage stage, const Subject& subject, const HookState& state) {
  const StageInfo& info = stage_info(stage);
  std::shared_ptr<const HookSet> hooks = state.hooks;
  for (const std::shared_ptr<Hook>& hook : hooks->at(stage)) {
    HookCall call(pending_, stage, subject, {}, false);
    Timed timed = invoke(*hook, call, info);
    if (timed.answer.verdict.action != Action::next || !timed.answer.edits.empty())
      log_fault(*hook, info, subject, "an answer where none is asked for");
  }
}

void Runner::tell(Stage stage, const Subject& subject) { tell(stage, subject, begin()); }

void Runner::log_verdict(const Hook& hook, const StageInfo& info, const Subject& subject, const Verdict& verdict, uint64_t began) {
  if (verdict.action == Action::next) return;
  const EventDef& event = verdict.action == Action::ok ? events::kHookVerdict : events::kHookDecided;
  if (!log_.wants(event.severity)) return;
  log_.write(event, {{"plugin", hook.info().plugin},
                     {"stage", info.name},
                     {"verdict", action_text(verdict.action)},
                     {"us", (options_.nanos() - began) / 1000},
                     {"id", id_of(subject)},
                     {"rule", verdict.rule},
                     {"reply", verdict.reply.code != 0 ? verdict.reply.joined() : std::string()}});
}

void Runner::log_fault(const Hook& hook, const StageInfo& info, const Subject& subject, std::string_view reason) {
  log_.write(events::kHookFault,
             {{"plugin", hook.info().plugin}, {"stage", info.name}, {"reason", reason}, {"id", id_of(subject)}});
}

}  // namespace veredus
