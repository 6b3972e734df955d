// The stream stage: chunks through observers and rewriters, pieces of bounded size, late answers, faults; statistics, the operator's
// time-out, and who is named while a hook is called.
#include <numeric>

#include "hooks/hooks_test_support.h"

using namespace veredus;

namespace {

struct BodyRun {
  RunnerRig rig;
  std::optional<std::string> left;

  Decision chunk(std::string_view octets, bool last = false) {
    std::optional<Decision> out;
    rig.scope.spawn(ask(this, octets, last, &out));
    REQUIRE(rig.until([&] { return out.has_value(); }));
    return std::move(*out);
  }
  static Task<void> ask(BodyRun* run, std::string_view octets, bool last, std::optional<Decision>* out) {
    Subject subject;
    subject.envelope = &run->rig.envelope;
    subject.chunk = octets;
    subject.last = last;
    out->emplace(co_await run->rig.runner.run(Stage::body, subject, run->rig.state));
  }
};

uint64_t g_now = 0;
uint64_t stepping_clock() { return g_now; }

}  // namespace

TEST_CASE("later hooks see what is left; without rewriting nothing is replaced") {
  BodyRun run;
  std::string first, second;
  run.rig.add(hook_info("a", Stage::body), [&](HookCall& call) { return first += call.subject().chunk, Verdict(); });
  CHECK_FALSE(run.chunk("one ").body);
  run.rig.add(hook_info("b", Stage::body, kMayBody), [](HookCall& call) {
    if (!call.subject().last) return Verdict();  // keeps everything back
    call.emit("all ");
    call.emit("of it");
    return Verdict();
  });
  run.rig.add(hook_info("c", Stage::body), [&](HookCall& call) {
    second += call.subject().chunk;
    second += call.subject().last ? "|" : "+";
    return Verdict();
  });
  CHECK(*run.chunk("two ").body == "");
  CHECK(*run.chunk("", true).body == "all of it");
  CHECK(first == "one two ");
  CHECK(second == "all of it|");  // nobody is shown nothing, unless it is the end
}

TEST_CASE("who has seen enough, or answers late, is treated the same when nobody reads of those who say next") {
  BodyRun run;
  run.rig.log.set_threshold(Severity::info);
  std::string first, enough, late;
  run.rig.add(hook_info("a", Stage::body), [&](HookCall& call) { return first += call.subject().chunk, Verdict(); });
  run.rig.add(hook_info("b", Stage::body), [&](HookCall& call) {
    enough += call.subject().chunk;
    return enough.size() < 5 ? Verdict() : verdict(Action::ok);
  });
  run.rig.add(hook_info("c", Stage::body), [&](HookCall& call) {
    late += call.subject().chunk;
    PendingToken token = call.defer(Seconds(5));
    CHECK(run.rig.runner.pending().complete(token, {}) == Completion::taken);
    return verdict(Action::pending);
  });
  for (const char* chunk : {"one ", "two ", "", "four"}) CHECK_FALSE(run.chunk(chunk).body);
  run.chunk("", true);
  CHECK(first == "one two four");
  CHECK(enough == "one two ");
  CHECK(late == first);
}

TEST_CASE("a chunk that grew is shown in pieces, and the end with the last of them") {
  BodyRun run;
  std::vector<size_t> sizes;
  std::vector<bool> lasts;
  run.rig.add(hook_info("a", Stage::body, kMayBody), [](HookCall& call) { return call.emit(std::string(150'000, 'x')), Verdict(); });
  run.rig.add(hook_info("b", Stage::body), [&](HookCall& call) {
    sizes.push_back(call.subject().chunk.size());
    lasts.push_back(call.subject().last);
    return Verdict();
  });
  run.rig.add(hook_info("c", Stage::body, kMayBody), [](HookCall& call) { return call.emit(call.subject().chunk), verdict(Action::ok); });
  CHECK(run.chunk("grow", true).body->size() == 150'000);
  CHECK(sizes == std::vector<size_t>{65'536, 65'536, 18'928});
  CHECK(lasts == std::vector<bool>{false, false, true});
}

TEST_CASE("late answers, piece after piece, from hooks that rewrite") {
  BodyRun run;
  for (const char* mark : {"<", "["}) {
    run.rig.add(hook_info(mark, Stage::body, kMayBody), [&run, mark](HookCall& call) {
      PendingToken token = call.defer(Seconds(5));
      call.emit(mark);
      HookAnswer answer;
      answer.body = std::string(call.subject().chunk.substr(0, 3));
      CHECK(run.rig.runner.pending().complete(token, std::move(answer)) == Completion::taken);
      return verdict(Action::pending);
    });
  }
  std::string chunk = std::string(kLongestChunk, 'a') + "bcd";
  CHECK(*run.chunk(chunk).body == "[<aa");
  CHECK(run.rig.runner.pending().open_count() == 0);
}

TEST_CASE("emitted where it may not be, and too much, are faults; so is a late body without the right") {
  RunnerRig rig;
  rig.add(hook_info("p", Stage::message, 511), [](HookCall& call) { return call.emit("x"), Verdict(); });
  CHECK(rig.run(Stage::message).verdict.action == Action::tempfail);
  BodyRun flood;
  flood.rig.add(hook_info("p", Stage::body, kMayBody), [](HookCall& call) {
    for (int i = 0; i < 17; ++i) call.emit(std::string(1 << 20, 'x'));
    return Verdict();
  });
  CHECK(flood.chunk("x").verdict.action == Action::tempfail);
  RunnerRig late;
  late.add(hook_info("p", Stage::rcpt), [&](HookCall& call) {
    HookAnswer answer;
    answer.body = "x";
    CHECK(late.runner.pending().complete(call.defer(Seconds(1)), std::move(answer)) == Completion::taken);
    return verdict(Action::pending);
  });
  CHECK(late.run(Stage::rcpt).verdict.action == Action::tempfail);
  BodyRun replace;
  replace.rig.add(hook_info("p", Stage::body, kMayBody), [](HookCall& call) {
    call.edits().push_back(ReplaceBody{std::make_shared<const std::string>("x")});
    call.emit(call.subject().chunk);
    return Verdict();
  });
  CHECK(replace.chunk("y").edits.empty());
}

TEST_CASE("a hook counts what it did") {
  RunnerRig rig;
  RunnerOptions options;
  options.nanos = &stepping_clock;
  options.slow_nanos = 1'000'000;
  Runner runner(rig.loop, rig.log, std::make_shared<const HookSet>(), options);
  std::vector<std::pair<uint64_t, Verdict>> script{{100, {}}, {249, {}}, {250, {}}, {2'000'000, verdict(Action::reject)}, {1, verdict(Action::fault)},
                                                   {1, verdict(Action::discard)}, {60'000'000'000, {}}};
  auto hook = std::make_shared<TestHook>(hook_info("p", Stage::connect, kMayFields), [&, step = size_t{0}](HookCall& call) mutable {
    if (step == 2) call.edits().push_back(SetField{"nonsense", ""});
    g_now += script[step].first;
    return script[step++].second;
  });
  runner.use(std::make_shared<const HookSet>(std::vector<std::shared_ptr<Hook>>{hook}));
  HookState state = runner.begin();
  auto ask = [](Runner* to, HookState* kept) -> Task<void> {
    Decision decision = co_await to->run(Stage::connect, Subject(), *kept);
    CHECK(decision.edits.empty());
  };
  for (size_t i = 0; i < script.size(); ++i) rig.scope.spawn(ask(&runner, &state));
  HookStats stats = hook->snapshot();
  CHECK(stats.calls == 7);
  CHECK(stats.nanos == 60'002'000'601);
  CHECK(stats.answers[static_cast<size_t>(Action::next)] == 4);
  CHECK(stats.answers[static_cast<size_t>(Action::reject)] == 1);
  CHECK(stats.faults == 3);  // an edit not allowed, reported, and an action not allowed
  CHECK(stats.edits_refused == 1);
  CHECK(stats.slow == 2);
  CHECK(stats.histogram[0] == 4);
  CHECK(stats.histogram[1] == 1);
  CHECK(stats.histogram[13] == 1);
  CHECK(stats.histogram[15] == 1);
  CHECK(std::accumulate(stats.histogram.begin(), stats.histogram.end(), uint64_t{0}) == stats.calls);
  CHECK(HookStats::bucket_limit(13) > 2'000'000);
}

TEST_CASE("the operator's time-out caps the hook's own; it counts as one") {
  RunnerRig rig;
  HookInfo info = hook_info("p", Stage::rcpt);
  info.timeout_ms = 2'000;
  auto hook = rig.add(info, [](HookCall& call) { return call.defer(Seconds(30)), verdict(Action::pending); });
  rig.start(Stage::rcpt);
  rig.pass(Millis(1'900));
  CHECK(!rig.decided);
  rig.pass(Millis(200));
  REQUIRE(rig.until([&] { return rig.decided; }));
  CHECK(rig.decision.verdict.action == Action::tempfail);
  CHECK(hook->snapshot().timeouts == 1);
  CHECK(hook->snapshot().faults == 0);
  CHECK(hook->snapshot().answers[static_cast<size_t>(Action::pending)] == 1);
}

TEST_CASE("the message is named while a hook is called for it, and who was named before is named again") {
  RunnerRig rig;
  std::atomic<uint64_t> cell{7};
  rig.runner.name_in(&cell);
  std::vector<uint64_t> named;
  PendingToken token = 0;
  auto note = [&](HookCall&) { return named.push_back(cell), Verdict(); };
  rig.add(hook_info("a", Stage::rcpt), [&](HookCall& call) { return named.push_back(cell), token = call.defer(Seconds(9)), verdict(Action::pending); });
  rig.add(hook_info("b", Stage::rcpt), note);
  rig.add(hook_info("c", Stage::queued), note);
  rig.envelope.id = MessageId{42};
  rig.start(Stage::rcpt);
  CHECK(cell == 7);  // not while it only waits
  cell = 8;
  CHECK(rig.runner.pending().complete(token, {}) == Completion::taken);
  REQUIRE(rig.until([&] { return rig.decided; }));
  Subject told;
  told.envelope = &rig.envelope;
  rig.runner.tell(Stage::queued, told, rig.state);
  CHECK(named == std::vector<uint64_t>{42, 42, 42});
  CHECK(cell == 8);
}

TEST_CASE("notes and results need their rights and their bounds") {
  struct Case {
    Stage stage;
    uint32_t may;
    Edit edit;
    bool taken;
  };
  for (const Case& one : {Case{Stage::connect, kMayNotes, AddNote{"spf.result_1-x", "pass"}, true}, Case{Stage::connect, kMayFields, AddNote{"a", "b"}, false},
                          Case{Stage::message, 511, AddNote{"", "b"}, false}, Case{Stage::message, 511, AddNote{"Upper", "b"}, false},
                          Case{Stage::message, 511, AddNote{std::string(65, 'a'), "b"}, false}, Case{Stage::message, 511, AddNote{std::string(64, 'a'), std::string(1024, 'b')}, true},
                          Case{Stage::message, 511, AddNote{"a", std::string(1025, 'b')}, false}, Case{Stage::seal, 511, AddNote{"a", "b"}, false},
                          Case{Stage::starttls, 511, AddNote{"a", "b"}, false}, Case{Stage::route, 511, AddNote{"a", "b"}, false},
                          Case{Stage::mail, kMayAuthResults, AddAuthResult{"spf", "pass", "", {}}, true}, Case{Stage::mail, kMayNotes, AddAuthResult{"spf", "pass", "", {}}, false},
                          Case{Stage::mail, 511, AddAuthResult{"s p f", "pass", "", {}}, false}}) {
    RunnerRig rig;
    auto hook = rig.add(hook_info("p", one.stage, one.may), [&](HookCall& call) { return call.edits().push_back(one.edit), Verdict(); });
    CHECK(rig.run(one.stage).edits.size() == (one.taken ? 1 : 0));
    CHECK(hook->snapshot().edits_refused == (one.taken ? 0 : 1));
  }
  RunnerRig crowd;
  std::vector<AuthResult> known(63, AuthResult{"spf", "pass", "", {}});
  crowd.add(hook_info("p", Stage::connect, kMayAuthResults), [](HookCall& call) {
    call.edits().assign(2, AddAuthResult{"dkim", "pass", "", {}});
    return Verdict();
  });
  Subject subject;
  subject.auth_results = &known;
  auto ask = [](RunnerRig* rig, Subject shown) -> Task<void> {
    Decision decision = co_await rig->runner.run(Stage::connect, shown, rig->state);
    CHECK(decision.edits.empty());
  };
  crowd.scope.spawn(ask(&crowd, subject));
  crowd.log.flush();
  CHECK(crowd.sink.count("hook.fault") == 1);
}
