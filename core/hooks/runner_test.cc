// The runner: order, verdicts and their scopes, faults and their policies, rights on edits.
#include "hooks/hooks_test_support.h"

using namespace veredus;

TEST_CASE("hooks run by fragment number, then by order") {
  RunnerRig rig;
  std::string called;
  auto note = [&](const char* name, unsigned fragment, int32_t order) {
    HookInfo info = hook_info(name, Stage::rcpt);
    info.fragment = fragment;
    info.order = order;
    rig.add(info, [&called, name](HookCall&) { return called += name, Verdict(); });
  };
  note("d", 90, -5);
  note("c", 50, 10);
  note("b", 50, -1);
  note("a", 10, 99);
  CHECK(rig.run(Stage::rcpt).verdict.action == Action::next);
  CHECK(called == "abcd");
  CHECK(rig.runner.any(Stage::rcpt));
  CHECK(!rig.runner.any(Stage::mail));
}

TEST_CASE("a final verdict ends the asking; ok ends it without refusing; hold is kept while others may still refuse") {
  struct Case {
    Action first, second, expected;
    int calls;
  };
  for (const Case& one : {Case{Action::next, Action::reject, Action::reject, 2}, Case{Action::reject, Action::ok, Action::reject, 1},
                          Case{Action::ok, Action::reject, Action::ok, 1}, Case{Action::tempfail, Action::reject, Action::tempfail, 1},
                          Case{Action::discard, Action::reject, Action::discard, 1}, Case{Action::hold, Action::reject, Action::reject, 2},
                          Case{Action::hold, Action::ok, Action::hold, 2}, Case{Action::hold, Action::discard, Action::discard, 2},
                          Case{Action::disconnect, Action::next, Action::disconnect, 1}}) {
    RunnerRig rig;
    int calls = 0;
    for (Action action : {one.first, one.second})
      rig.add(hook_info("p", Stage::message), [&calls, action](HookCall&) { return ++calls, verdict(action); });
    CHECK(rig.run(Stage::message).verdict.action == one.expected);
    CHECK(calls == one.calls);
  }
}

TEST_CASE("ok with a wider scope spares later stages up to message, never seal and the told ones") {
  RunnerRig rig;
  rig.add(hook_info("p", Stage::mail), always(Action::ok, {}, VerdictScope::transaction));
  rig.add(hook_info("p", Stage::rcpt), always(Action::reject));
  rig.add(hook_info("p", Stage::seal), always(Action::tempfail));
  rig.run(Stage::mail);
  CHECK(rig.run(Stage::rcpt).verdict.action == Action::next);
  CHECK(rig.run(Stage::seal).verdict.action == Action::tempfail);
  rig.state.end_transaction();
  CHECK(rig.run(Stage::rcpt).verdict.action == Action::reject);
  rig.add(hook_info("p", Stage::connect), always(Action::ok, {}, VerdictScope::connection));
  rig.run(Stage::connect);
  rig.state.end_transaction();
  CHECK(rig.run(Stage::rcpt).verdict.action == Action::next);
}

TEST_CASE("replies: the hook's own, or the stage's default") {
  RunnerRig rig;
  rig.add(hook_info("p", Stage::rcpt), always(Action::reject, Reply{551, {5, 1, 6}, {"moved"}}));
  rig.add(hook_info("p", Stage::mail), always(Action::tempfail));
  rig.add(hook_info("p", Stage::connect), always(Action::reject));
  CHECK(rig.run(Stage::rcpt).verdict.reply.joined() == "551 5.1.6 moved");
  CHECK(rig.run(Stage::mail).verdict.reply.code == 451);
  CHECK(rig.run(Stage::connect).verdict.reply.code == 554);
  CHECK(rig.decision.verdict.rule == "p");
}

TEST_CASE("illegal verdicts are faults, and the fault policy decides") {
  struct Case {
    Stage stage;
    Verdict bad;
  };
  Verdict scope = verdict(Action::next);
  scope.scope = static_cast<VerdictScope>(9);
  for (const Case& one : {Case{Stage::connect, verdict(Action::discard)}, Case{Stage::seal, verdict(Action::reject)},
                          Case{Stage::seal, verdict(Action::ok)}, Case{Stage::rcpt, verdict(Action::pending)},
                          Case{Stage::rcpt, verdict(Action::fault)}, Case{Stage::rcpt, verdict(static_cast<Action>(77))},
                          Case{Stage::rcpt, verdict(static_cast<Action>(-1))}, Case{Stage::rcpt, scope},
                          Case{Stage::rcpt, verdict(Action::reject, Reply{250, {2, 0, 0}, {"x"}})},
                          Case{Stage::rcpt, verdict(Action::tempfail, Reply{550, {5, 0, 0}, {"x"}})},
                          Case{Stage::rcpt, verdict(Action::reject, Reply{550, {4, 0, 0}, {"x"}})}}) {
    RunnerRig rig;
    rig.add(hook_info("bad", one.stage, kMayFields), [&](HookCall& call) {
      call.edits().push_back(SetField{"tenant", "t"});
      return one.bad;
    });
    Decision decision = rig.run(one.stage);
    CHECK(decision.verdict.action == Action::tempfail);
    CHECK(decision.verdict.reply.temporary());
    CHECK(decision.edits.empty());
    CHECK(rig.sink.count("hook.fault") == 1);
  }
  for (auto [policy, expected] : {std::pair{FaultPolicy::next, Action::next}, std::pair{FaultPolicy::reject, Action::reject}}) {
    RunnerRig rig;
    rig.add(hook_info("bad", Stage::rcpt, 0, policy), always(Action::fault));
    CHECK(rig.run(Stage::rcpt).verdict.action == expected);
  }
  RunnerRig rig;
  rig.add(hook_info("bad", Stage::seal, 0, FaultPolicy::reject), always(Action::fault));
  CHECK(rig.run(Stage::seal).verdict.action == Action::tempfail);  // nothing may be rejected there
}

TEST_CASE("edits need the stage and the right; of one call all are taken or none") {
  struct Case {
    Stage stage;
    uint32_t may;
    Edit edit;
    bool taken;
  };
  for (const Case& one : {Case{Stage::message, kMayHeaders, InsertHeader{3, "X", "y"}, true},
                          Case{Stage::message, kMayBody, InsertHeader{0, "X", "y"}, false},
                          Case{Stage::mail, 127, InsertHeader{0, "X", "y"}, false},
                          Case{Stage::seal, kMayHeaders, InsertHeader{0, "X", "y"}, true},
                          Case{Stage::seal, kMayHeaders, InsertHeader{1, "X", "y"}, false},
                          Case{Stage::message, 127, InsertHeader{0, "X Y", "y"}, false},
                          Case{Stage::message, 127, RemoveHeader{"X", 0}, true},
                          Case{Stage::message, 127, SetField{"priority", "101"}, false},
                          Case{Stage::message, 127, SetField{"colour", "red"}, false},
                          Case{Stage::message, 127, SplitRecipients{{}}, false},
                          Case{Stage::rcpt, kMayRecipients, DropRecipient{0}, true},
                          Case{Stage::rcpt, kMaySplit, SplitRecipients{{0}}, false},
                          Case{Stage::message, 127, SetRoute{0, "smtp://a\r\nb", ""}, false}}) {
    RunnerRig rig;
    rig.add(hook_info("p", one.stage, one.may), [&](HookCall& call) { return call.edits().push_back(one.edit), Verdict(); });
    CHECK(rig.run(one.stage).edits.size() == (one.taken ? 1 : 0));
    CHECK(rig.sink.count("hook.fault") == (one.taken ? 0 : 1));
  }
}

TEST_CASE("later hooks see what earlier ones want; told stages take no answer") {
  RunnerRig rig;
  size_t seen = 99;
  rig.add(hook_info("a", Stage::message, kMayHeaders), [](HookCall& call) { return call.edits().push_back(InsertHeader{0, "X", "1"}), Verdict(); });
  rig.add(hook_info("b", Stage::message), [&](HookCall& call) { return seen = call.earlier().size(), Verdict(); });
  rig.run(Stage::message);
  CHECK(seen == 1);
  int told = 0;
  PendingToken token = 1;
  rig.add(hook_info("t", Stage::queued), [&](HookCall& call) { return ++told, token = call.defer(Seconds(1)), verdict(Action::reject); });
  Subject subject;
  rig.runner.tell(Stage::queued, subject, rig.state);
  rig.log.flush();
  CHECK(told == 1);
  CHECK(token == 0);
  CHECK(rig.sink.count("hook.fault") == 1);
}

TEST_CASE("after the first that says more than next the others are asked as ever, with its edits") {
  RunnerRig rig;
  rig.log.set_threshold(Severity::info);
  std::string called;
  size_t seen = 0;
  auto plain = [&](HookCall&) { return called += '.', Verdict(); };
  auto first = rig.add(hook_info("a", Stage::rcpt), plain);
  rig.add(hook_info("b", Stage::rcpt, kMayFields), [&](HookCall& call) { return call.edits().push_back(SetField{"tenant", "t"}), Verdict(); });
  auto last = rig.add(hook_info("c", Stage::rcpt), [&](HookCall& call) { return seen = call.earlier().size(), verdict(Action::ok); });
  rig.add(hook_info("d", Stage::rcpt), plain);
  for (int i = 0; i < 3; ++i) {
    Decision decision = rig.run(Stage::rcpt);
    CHECK(decision.verdict.rule == "c");
    CHECK(decision.edits.size() == 1);
  }
  CHECK(called == "...");
  CHECK(seen == 1);
  CHECK(first->snapshot().calls == 3);
  CHECK(first->snapshot().answers[static_cast<size_t>(Action::next)] == 3);
  CHECK(last->snapshot().answers[static_cast<size_t>(Action::ok)] == 3);
  CHECK(rig.runner.ask(Stage::mail, Subject(), rig.state) == nullptr);
}

TEST_CASE("a span of ticks is what the clock says") {
  uint64_t ticks = Ticks::now(), nanos = Ticks::system_nanos();
  while (Ticks::system_nanos() - nanos < 20'000'000) {
  }
  nanos = Ticks::system_nanos() - nanos;
  uint64_t spent = Ticks::to_nanos(Ticks::now() - ticks);
  CHECK(spent > nanos - nanos / 100);
  CHECK(spent < nanos + nanos / 100 + 1'000'000);
  CHECK(Ticks::to_nanos(Ticks::from_nanos(2'000'000)) >= 1'999'000);
  CHECK(Ticks::to_nanos(Ticks::from_nanos(2'000'000)) <= 2'000'000);
}

TEST_CASE("a session keeps the hooks it began with; a view outlives what it shows") {
  RunnerRig rig;
  std::shared_ptr<const HookView> view;
  rig.add(hook_info("old", Stage::rcpt), [&](HookCall& call) { return view = call.view(), verdict(Action::reject); });
  HookState pinned = rig.state;
  rig.runner.use(std::make_shared<const HookSet>());
  rig.state = pinned;
  rig.envelope.tenant = "before";
  CHECK(rig.run(Stage::rcpt).verdict.action == Action::reject);
  rig.envelope.tenant = "after";
  CHECK(view->subject().envelope->tenant == "before");
  rig.state = rig.runner.begin();
  CHECK(rig.run(Stage::rcpt).verdict.action == Action::next);
}
