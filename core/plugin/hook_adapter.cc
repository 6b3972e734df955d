// One call into a plugin, here or on the loop of a serial one.
#include "plugin/hook_adapter.h"

#include <chrono>
#include <cstring>
#include <utility>

#include "log/events.h"
#include "plugin/generation.h"
#include "plugin/serial_calls.h"

namespace veredus {

namespace {

constexpr Millis kLongestWait{3'600'000};

// Word by word, since a call of memcmp() is a tenth of what a call of a hook may cost.
bool nothing_said(const vrd_verdict& verdict) {
  uint64_t words[sizeof(vrd_verdict) / sizeof(uint64_t)], any = 0;
  std::memcpy(words, &verdict, sizeof words);
  for (uint64_t word : words) any |= word;
  return any == 0;
}

// The hook has looked at what there is, and wants nothing.
bool only_looked(const vrd_stage& stage, const HookCall& call) { return stage.token == 0 && stage.edits.empty() && call.plain(); }

bool is_told(Stage stage) { return stage_info(stage).kind == StageKind::told; }

}  // namespace

CHook::CHook(HookInfo info, Instance& instance, const vrd_hook& hook, LoopServices& services)
    : Hook(std::move(info)),
      instance_(instance),
      hook_(hook),
      services_(services),
      record_(*instance.record()),
      hot_{hook.call, nullptr, false, {&this->info(), &record_, record_.number()}, {}} {
  Shard* shard = instance.serves(services.loop) ? instance.here() : nullptr;
  if (shard) hot_.object = shard->object;
  hot_.serves = shard != nullptr;
  carries_ = !shard;
}

inline vrd_status CHook::invoke(vrd_stage& stage, vrd_verdict& verdict) noexcept {
  try {
    return hot_.function(hot_.object, &stage, &verdict);
  } catch (...) {
    return threw();
  }
}

// Within the handler.
vrd_status CHook::threw() noexcept {
  guarded(record_, "hook call", [] { throw; });
  return VRD_E_FAULT;
}

Verdict CHook::fault() {
  Verdict out;
  out.action = Action::fault;
  return out;
}

Verdict CHook::call(HookCall& call) {
  if (!hot_.serves) return carries_ ? carry(call) : fault();
  vrd_verdict verdict{};
  vrd_stage& stage = services_.calls->begin(hot_.caller, call.subject(), &call);
  vrd_status status = invoke(stage, verdict);
  return conclude(stage, status, verdict, call);
}

// The same for one hook after the other, without what a `next` does not need.
void CHook::ask_row(HookRow& row) {
  Calls& calls = *services_.calls;
  HookCall& call = row.call;
  const Subject& subject = call.subject();
  uint64_t ended = row.ended;
  size_t at = row.at, until = row.uniform ? row.hooks.size() : at + 1;
  vrd_verdict verdict{};
  for (; at < until; ++at) {
    auto& hook = static_cast<CHook&>(*row.hooks[at]);
    Hot& hot = hook.hot_;
    call.pass_to(*hot.caller.info);
    if (!hot.serves) {
      row.said = hook.call(call);
      break;
    }
    vrd_stage& stage = calls.begin(hot.caller, subject, &call);
    vrd_status status = hook.invoke(stage, verdict);
    bool plain = status >= 0 && nothing_said(verdict) && (!stage.touched || only_looked(stage, call));
    if (!plain) {
      row.said = hook.conclude(stage, status, verdict, call);
      break;
    }
    calls.end(stage);
    uint64_t now = Ticks::now(), spent = now - ended;
    if (spent < row.quick) [[likely]]
      hot.counters.called(spent);
    else if (!hook.count(spent, row))
      break;
    ended = now;
  }
  row.at = at;
  row.ended = ended;
}

// False: the runner has to say that it was slow. A counter that goes backwards has not counted.
bool CHook::count(uint64_t spent, HookRow& row) {
  if (static_cast<int64_t>(spent) < 0) spent = 0;
  if (spent > row.slow) return row.said.emplace(), false;
  counters().called(Ticks::to_nanos(spent));
  counters().answered(Action::next);
  return true;
}

// Ends the call.
Verdict CHook::conclude(vrd_stage& stage, vrd_status status, const vrd_verdict& verdict, HookCall& call) {
  Verdict out;
  if (status < 0)
    out = fault();
  else if (stage.touched || !nothing_said(verdict))
    out = judged(stage, verdict, call);
  services_.calls->end(stage);
  return out;
}

Verdict CHook::judged(vrd_stage& stage, const vrd_verdict& verdict, HookCall& call) {
  if (verdict.action == VRD_PENDING && stage.token == 0) {
    record_.misbehaved("hook call", "pending without a token");
    return fault();
  }
  HookAnswer answer = to_answer(verdict, stage.edits, info().stage, record_, "hook call");
  call.edits() = std::move(answer.edits);
  return std::move(answer.verdict);
}

// The runner waits as for a hook that answers later; of told stages it waits for nothing.
Verdict CHook::carry(HookCall& call) {
  std::shared_ptr<Generation> pin = instance_.generation().pin();
  if (!pin) return fault();
  PendingToken token = 0;
  if (!is_told(info().stage)) {
    token = call.defer(kLongestWait);
    if (token == 0) return fault();
    services_.calls->owners.note(token, record_.number(), stage_index(info().stage));
  }
  Loop& serving = instance_.serving(services_.loop);
  serving.post_call([this, pin = std::move(pin), picture = call.view(), token]() mutable { carried(std::move(picture), token); });
  Verdict out;
  if (token != 0) out.action = Action::pending;
  return out;
}

void CHook::carried(std::shared_ptr<const HookView> picture, PendingToken token) {
  Shard* shard = instance_.here();
  LoopServices* here = LoopServices::here();
  if (!shard || !here) return unserved(token);
  Subject subject = picture->subject();
  if (token != 0) record_.serial()->begin(token);
  uint64_t began = Ticks::now();
  vrd_stage& stage = here->calls->begin(hot_.caller, subject, nullptr);
  stage.touched = true;
  stage.picture = std::move(picture);
  stage.carried = token;
  vrd_verdict verdict{};
  vrd_status status = VRD_E_FAULT;
  bool ok = guarded(record_, "hook call", [&] { status = hook_.call(shard->object, &stage, &verdict); }) && status >= 0;
  uint64_t spent = Ticks::to_nanos(Ticks::now() - began);
  served_.called(spent);
  auto slow = std::chrono::nanoseconds(instance_.core_settings().plugins.slow).count();
  if (spent > static_cast<uint64_t>(slow)) {
    served_.was_slow();
    here->log.write(events::kHookSlow, {{"plugin", info().plugin}, {"stage", stage_info(info().stage).name}, {"us", spent / 1000}});
  }
  if (token != 0) answer_carried(stage, ok, verdict);
  here->calls->end(stage);
}

// Its shard is gone: nobody will answer, and the session must not wait for that.
void CHook::unserved(PendingToken token) {
  HookAnswer answer;
  answer.verdict = fault();
  if (token != 0) services_.runner->pending().complete(token, std::move(answer));
}

void CHook::answer_carried(vrd_stage& stage, bool ok, const vrd_verdict& verdict) {
  PendingToken token = stage.carried;
  HookAnswer answer;
  bool waits = ok && verdict.action == VRD_PENDING && stage.token != 0;
  if (waits) {
    answer.edits = std::move(stage.edits.list);
    answer.body = std::move(stage.emitted);
    bool answered = record_.serial()->suspend(token, std::move(answer), stage.wait, services_.runner->pending());
    // The runner gave the longest time there is; the hook asked for less.
    if (!answered) services_.loop.post_call([runner = services_.runner, token, wait = stage.wait] { runner->pending().limit(token, wait); });
    return;
  }
  if (ok && verdict.action == VRD_PENDING) record_.misbehaved("hook call", "pending without a token");
  if (ok) answer = to_answer(verdict, stage.edits, info().stage, record_, "hook call");
  if (!ok || answer.verdict.action == Action::pending) answer.verdict = fault();
  answer.body = std::move(stage.emitted);
  record_.serial()->end(token, std::move(answer), services_.runner->pending());
}

void CHook::cancel(PendingToken token) {
  cancelled_.fetch_add(1, std::memory_order_relaxed);
  if (hot_.serves) return tell_cancelled(token);
  std::shared_ptr<Generation> pin = instance_.generation().pin();
  if (!pin || !carries_) return;
  instance_.serving(services_.loop).post_call([this, pin = std::move(pin), token] {
    if (record_.serial()->forget(token)) tell_cancelled(token);
  });
}

void CHook::tell_cancelled(PendingToken token) {
  Shard* shard = instance_.here();
  if (!shard || !hook_.cancel) return;
  guarded(record_, "hook cancel", [&] { hook_.cancel(shard->object, token); });
}

HookStats CHook::snapshot() const {
  HookStats out = Hook::snapshot();
  hot_.counters.add_into(out);
  return out;
}

HookStats CHook::stats() const {
  HookStats out = snapshot();
  if (!instance_.serial()) return out;
  HookStats there = served_.snapshot();
  if (there.calls == 0) return out;
  out.nanos = there.nanos;
  out.histogram = there.histogram;
  out.slow = there.slow;
  return out;
}

uint64_t CHook::waiting() const {
  HookStats now = snapshot();
  uint64_t said = 0;
  for (uint64_t count : now.answers) said += count;
  uint64_t came = (said > now.calls ? said - now.calls : 0) + now.timeouts + cancelled_.load(std::memory_order_relaxed);
  uint64_t deferred = now.answers[static_cast<size_t>(Action::pending)];
  return deferred > came ? deferred - came : 0;
}

}  // namespace veredus
