// Hooks for tests: a function as a hook, and a loop with a runner round it. Time is a fake clock.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "hooks/runner.h"
#include "log/sinks.h"
#include "loop/scope.h"

namespace veredus {

class TestHook final : public Hook {
 public:
  using Body = std::function<Verdict(HookCall&)>;
  TestHook(HookInfo info, Body body) : Hook(std::move(info)), body_(std::move(body)) {}
  Verdict call(HookCall& call) override { return body_(call); }
  void cancel(PendingToken token) override { cancelled.push_back(token); }

  std::vector<PendingToken> cancelled;

 private:
  Body body_;
};

inline HookInfo hook_info(std::string plugin, Stage stage, uint32_t may = 0, FaultPolicy on_fault = FaultPolicy::tempfail) {
  HookInfo info;
  info.plugin = std::move(plugin);
  info.stage = stage;
  info.may = may;
  info.on_fault = on_fault;
  return info;
}

inline Verdict verdict(Action action, Reply reply = {}, VerdictScope scope = VerdictScope::step) {
  return Verdict{action, scope, std::move(reply), {}};
}

inline TestHook::Body always(Action action, Reply reply = {}, VerdictScope scope = VerdictScope::step) {
  return [=](HookCall&) { return verdict(action, reply, scope); };
}

class RunnerRig {
 public:
  std::shared_ptr<TestHook> add(HookInfo info, TestHook::Body body) {
    auto hook = std::make_shared<TestHook>(std::move(info), std::move(body));
    hooks_.push_back(hook);
    runner.use(std::make_shared<const HookSet>(hooks_));
    state = runner.begin();
    return hook;
  }
  void start(Stage stage) { scope.spawn(ask(this, stage)); }
  // Runs a stage to its end and returns the decision.
  Decision run(Stage stage) {
    decided = false;
    start(stage);
    until([&] { return decided; });
    REQUIRE(decided);
    return decision;
  }
  template <typename F>
  bool until(F holds) {
    for (int i = 0; i < 5'000 && !holds(); ++i) loop.run_turn(Millis(1));
    log.flush();
    return holds();
  }
  void pass(Millis time) {
    clock.advance(time);
    for (int i = 0; i < 3; ++i) loop.run_turn(Millis(0));
  }

  FakeClock clock;
  Loop loop{clock};
  ListSink sink;
  Log log{clock, sink, Severity::debug};
  Runner runner{loop, log, std::make_shared<const HookSet>()};
  HookState state = runner.begin();
  Origin origin;
  Envelope envelope;
  Decision decision;
  bool decided = false;
  Scope scope{loop};

 private:
  static Task<void> ask(RunnerRig* rig, Stage stage) {
    Subject subject;
    subject.origin = &rig->origin;
    subject.envelope = &rig->envelope;
    rig->decision = co_await rig->runner.run(stage, subject, rig->state);
    rig->decided = true;
  }
  std::vector<std::shared_ptr<Hook>> hooks_;
};

}  // namespace veredus
