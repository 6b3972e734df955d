// From a stage and its hooks to one decision.
#include "hooks/runner.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "hooks/edits.h"
#include "log/events.h"

namespace veredus {

namespace {

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

// Notes and results are bounded for a message as a whole.
std::string_view room_problem(const Subject& subject, std::span<const Edit> earlier, std::span<const Edit> edits) {
  size_t results = subject.auth_results ? subject.auth_results->size() : 0;
  std::optional<Notes> notes;
  auto count = [&](const Edit& edit) {
    if (std::holds_alternative<AddAuthResult>(edit)) ++results;
    const auto* note = std::get_if<AddNote>(&edit);
    if (note && !notes) notes = subject.notes();
    if (note) set_note(*notes, note->key, {});
  };
  std::for_each(earlier.begin(), earlier.end(), count);
  std::for_each(edits.begin(), edits.end(), count);
  if (notes && notes->size() > kMostNotes) return "add note: too many notes";
  return results > kMostAuthResults ? "add authentication result: too many results" : "";
}

// Names the message while hooks are called for it; whoever was named before is so again afterwards.
class InHand {
 public:
  InHand(std::atomic<uint64_t>* cell, const Subject& subject) {
    if (!cell || !subject.envelope || !subject.envelope->id) return;
    cell_ = cell;
    before_ = cell->load(std::memory_order_relaxed);
    cell->store(subject.envelope->id.value, std::memory_order_relaxed);
  }
  ~InHand() {
    if (cell_) cell_->store(before_, std::memory_order_relaxed);
  }
  InHand(const InHand&) = delete;

 private:
  std::atomic<uint64_t>* cell_ = nullptr;
  uint64_t before_ = 0;
};

// Tells the hook, once, that nobody waits any more, if the wait ends before its answer.
class Cancelling {
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

uint8_t& mark_of(StageProgress& progress) { return progress.state.body_marks[progress.next]; }

bool rewrites(const Hook& hook) { return (hook.info().may & kMayBody) != 0; }

// Puts the next piece of the chunk before the hook whose turn it is, or before a later one; false: nobody has to see more of it.
bool show_chunk(StageProgress& progress) {
  if (!progress.stream()) return !progress.over();
  for (; !progress.over(); ++progress.next) {
    if (progress.body.show(progress.subject, mark_of(progress))) return true;
    progress.body.next_hook(rewrites(progress.hook()));
  }
  return false;
}

}  // namespace

Runner::Runner(Loop& loop, Log& log, std::shared_ptr<const HookSet> hooks, RunnerOptions options)
    : log_(log), hooks_(std::move(hooks)), options_(options), pending_(loop) {
  set_slow_nanos(options.slow_nanos);
}

void Runner::set_slow_nanos(uint64_t nanos) {
  options_.slow_nanos = nanos;
  slow_ticks_ = Ticks::from_nanos(nanos);
}

Asked Runner::ask(Stage stage, const Subject& subject, HookState& state) {
  const StageInfo& info = stage_info(stage);
  if (!any(stage, state)) return nullptr;
  if (info.skippable && (state.skip_transaction || state.skip_connection)) return nullptr;
  InHand named(in_hand_, subject);
  if (quick(info, subject, state)) return ask_quickly(info, subject, state);
  auto progress = std::make_unique<StageProgress>(info, subject, state);
  progress->ended = now();
  proceed(*progress);
  return progress;
}

// Nobody wants to read of a hook that says `next`, and no hook needs to be treated unlike the others.
bool Runner::quick(const StageInfo& info, const Subject& subject, const HookState& state) const {
  if (options_.nanos || log_.wants(events::kHookVerdict.severity)) return false;
  if (info.kind != StageKind::stream) return true;
  bool rewritten = (state.hooks->may(info.stage) & kMayBody) != 0;
  return !rewritten && state.body_marks.empty() && subject.chunk.size() <= kLongestChunk && (subject.last || !subject.chunk.empty());
}

// From the first hook that says something the asking goes on as if it had never been quick.
Asked Runner::ask_quickly(const StageInfo& info, const Subject& subject, HookState& state) {
  auto hooks = state.hooks->at(info.stage);
  HookCall call(pending_, hooks.front()->info(), subject, {}, true);
  HookRow row{hooks, call, quick_ticks_, slow_ticks_, state.hooks->uniform(info.stage), 0, Ticks::now()};
  while (row.at < hooks.size()) {
    hooks[row.at]->ask_row(row);
    if (row.said) break;
  }
  if (!row.said) return nullptr;
  auto progress = std::make_unique<StageProgress>(info, subject, state);
  progress->next = row.at;
  progress->ended = row.ended;
  if (progress->stream()) progress->body.show(progress->subject, BodyPass::kNothing);
  if (go_on(*progress, call, std::move(*row.said))) proceed(*progress);
  return progress;
}

// Until every hook has answered (true) or one wants to answer later (false). The end of one call is the beginning of the next.
bool Runner::proceed(StageProgress& progress) {
  while (show_chunk(progress)) {
    Hook& hook = progress.hook();
    HookCall call(pending_, hook.info(), progress.subject, progress.decision.edits, true);
    if (!go_on(progress, call, hook.call(call))) break;
  }
  return !progress.pending;
}

// From what a hook has just said: are further hooks to be asked?
bool Runner::go_on(StageProgress& progress, HookCall& call, Verdict verdict) {
  Hook& hook = progress.hook();
  progress.began = progress.ended;
  progress.ended = measure(hook, progress.info, progress.began);
  hook.counters().answered(verdict.action);
  if (verdict.action == Action::next && call.plain() && verdict.reply.code == 0 && !(progress.stream() && rewrites(hook))) {
    if (progress.stream()) return true;
    log_verdict(progress, verdict);
    ++progress.next;
    return true;
  }
  Answered answered;
  answered.answer = HookAnswer{std::move(verdict), std::move(call.edits()), call.take_emitted()};
  answered.problem = call.emit_problem();
  progress.pending = call.take_pending();
  if (answered.answer.verdict.action == Action::pending && progress.pending && answered.problem.empty()) {
    progress.partial = std::move(answered.answer);
    return false;
  }
  return !conclude(progress, std::move(answered));
}

uint64_t Runner::measure(Hook& hook, const StageInfo& info, uint64_t began) {
  uint64_t now = this->now();
  uint64_t spent = now > began ? nanos_of(now - began) : 0;
  hook.counters().called(spent);
  if (spent <= options_.slow_nanos) return now;
  hook.counters().was_slow();
  log_.write(events::kHookSlow, {{"plugin", hook.info().plugin}, {"stage", info.name}, {"us", spent / 1000}});
  return now;
}

// From the first hook that answers later. Its answer follows what it said during the call.
Task<void> Runner::finish(StageProgress* progress) {
  for (bool over = false; !over;) {
    Answered answered;
    answered.answer = std::move(progress->partial);
    {
      Cancelling cancelling(progress->hook(), *progress->pending);
      std::optional<HookAnswer> late = co_await progress->pending->answer();
      answered.timed_out = !late;
      if (late) {
        progress->hook().counters().answered(late->verdict.action);
        answered.answer.verdict = std::move(late->verdict);
        for (Edit& edit : late->edits) answered.answer.edits.push_back(std::move(edit));
        answered.answer.body += late->body;
      }
    }
    progress->pending.reset();
    if (answered.timed_out) answered.problem = "no answer in time";
    InHand named(in_hand_, progress->subject);
    progress->ended = now();
    over = conclude(*progress, std::move(answered)) || proceed(*progress);
  }
}

// True: no further hook is asked. A stream stage goes on with the next piece for the same hook.
bool Runner::conclude(StageProgress& progress, Answered answered) {
  Verdict verdict = judge(progress, answered);
  take_edits(progress, std::move(answered.answer.edits));
  progress.pending.reset();
  if (progress.stream()) {
    pass_chunk(progress, verdict.action, answered);
    if (verdict.action == Action::ok) verdict.action = Action::next;  // it has seen enough; others have not
  } else {
    ++progress.next;
  }
  return settle(progress.info, std::move(verdict), progress.decision, progress.state);
}

// A hook that failed sees no more of this body, and what it was shown goes on unchanged.
void Runner::pass_chunk(StageProgress& progress, Action action, const Answered& answered) {
  bool faulty = !answered.problem.empty();
  if (rewrites(progress.hook())) {
    progress.body.put(faulty ? progress.subject.chunk : std::string_view(answered.answer.body));
    mark_of(progress) = BodyPass::kBegun;
  }
  if (faulty || action == Action::ok) mark_of(progress) = BodyPass::kDone;
}

Verdict Runner::judge(StageProgress& progress, Answered& answered) {
  Hook& hook = progress.hook();
  const StageInfo& info = progress.info;
  if (answered.problem.empty()) answered.problem = problem_of(answered.answer.verdict, info);
  if (answered.problem.empty() && !answered.answer.body.empty() && !(progress.stream() && rewrites(hook)))
    answered.problem = "a body without the right";
  if (answered.problem.empty()) check_edits(progress, answered);
  Verdict verdict;
  if (answered.problem.empty()) {
    verdict = std::move(answered.answer.verdict);
    verdict.rule = verdict.rule.empty() ? hook.info().plugin : hook.info().plugin + ": " + verdict.rule;
  } else {
    answered.answer.edits.clear();
    verdict = after_fault(progress, answered);
  }
  if (verdict.reply.code == 0) verdict.reply = default_reply(info.stage, verdict.action);
  log_verdict(progress, verdict);
  return verdict;
}

Verdict Runner::after_fault(StageProgress& progress, const Answered& answered) {
  Hook& hook = progress.hook();
  if (answered.timed_out) {
    hook.counters().timed_out();
    log_.write(events::kHookTimeout, {{"plugin", hook.info().plugin}, {"stage", progress.info.name}, {"id", id_of(progress.subject)}});
  } else {
    log_fault(hook, progress.info, progress.subject, answered.problem);
  }
  Verdict out;
  out.action = action_for(hook.info().on_fault, progress.info);
  // What such a hook kept back of earlier chunks is lost, so the body cannot go on.
  bool half_rewritten = progress.stream() && rewrites(hook) && mark_of(progress) == BodyPass::kBegun;
  if (half_rewritten && out.action == Action::next) out.action = Action::tempfail;
  out.rule = hook.info().plugin + ": fault";
  return out;
}

// An edit that is not allowed makes the whole answer a fault: half of what a hook wants may be worse than nothing of it.
void Runner::check_edits(const StageProgress& progress, Answered& answered) {
  for (const Edit& edit : answered.answer.edits) {
    std::string_view found = edit_problem(edit, progress.hook().info().may, progress.info);
    if (found.empty()) continue;
    progress.hook().counters().edits_refused();
    answered.refused_edit = std::string(edit_name(edit)) + ": " + std::string(found);
    answered.problem = answered.refused_edit;
    return;
  }
}

// For want of room all edits of a call are left out: others may have used it up, so that is no fault of the hook.
void Runner::take_edits(StageProgress& progress, std::vector<Edit> edits) {
  if (edits.empty()) return;
  Hook& hook = progress.hook();
  std::string_view problem = room_problem(progress.subject, progress.decision.edits, edits);
  if (!problem.empty()) {
    hook.counters().edits_refused();
    log_.write(events::kHookFault, {{"plugin", hook.info().plugin},
                                    {"stage", progress.info.name},
                                    {"reason", problem},
                                    {"id", id_of(progress.subject)}});
    return;
  }
  for (Edit& edit : edits) progress.decision.edits.push_back(std::move(edit));
}

void Runner::tell(Stage stage, const Subject& subject, const HookState& state) {
  const StageInfo& info = stage_info(stage);
  auto hooks = state.hooks->at(stage);
  InHand named(in_hand_, subject);
  uint64_t ended = now();
  for (size_t at = 0; at < hooks.size();) {
    HookCall call(pending_, hooks[at]->info(), subject, {}, false);
    HookRow row{hooks, call, quick_ticks_, slow_ticks_, state.hooks->uniform(stage), at, ended};
    hooks[at]->ask_row(row);
    at = row.at;
    ended = row.ended;
    if (!row.said) continue;
    Hook& hook = *hooks[at++];
    ended = measure(hook, info, ended);
    hook.counters().answered(row.said->action);
    if (row.said->action != Action::next || !call.plain()) log_fault(hook, info, subject, "an answer where none is asked for");
  }
}

void Runner::tell(Stage stage, const Subject& subject) { tell(stage, subject, begin()); }

void Runner::log_verdict(const StageProgress& progress, const Verdict& verdict) {
  if (verdict.action == Action::next && progress.stream()) return;  // it passed one piece of many
  bool passed = verdict.action == Action::next || verdict.action == Action::ok;
  const EventDef& event = passed ? events::kHookVerdict : events::kHookDecided;
  if (!log_.wants(event.severity)) return;
  log_.write(event, {{"plugin", progress.hook().info().plugin},
                     {"stage", progress.info.name},
                     {"verdict", action_text(verdict.action)},
                     {"us", nanos_of(now() - progress.began) / 1000},
                     {"id", id_of(progress.subject)},
                     {"rule", verdict.rule},
                     {"reply", verdict.reply.code != 0 ? verdict.reply.joined() : std::string()}});
}

void Runner::log_fault(Hook& hook, const StageInfo& info, const Subject& subject, std::string_view reason) {
  hook.counters().faulted();
  log_.write(events::kHookFault,
             {{"plugin", hook.info().plugin}, {"stage", info.name}, {"reason", reason}, {"id", id_of(subject)}});
}

}  // namespace veredus
