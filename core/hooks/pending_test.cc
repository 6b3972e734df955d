// Hooks that answer later: completion, time-out and abort race for one token, and exactly one of them wins.
#include <atomic>
#include <thread>

#include "hooks/hooks_test_support.h"

using namespace veredus;

namespace {

constexpr int kRounds = 300'000;
constexpr int kThreads = 4;

struct Deferring {
  RunnerRig rig;
  PendingToken token = 0, second = 0;
  std::shared_ptr<TestHook> hook;
  explicit Deferring(FaultPolicy policy = FaultPolicy::tempfail) {
    hook = rig.add(hook_info("slow", Stage::rcpt, kMayFields, policy), [this](HookCall& call) {
      token = call.defer(Seconds(30));
      second = call.defer(Seconds(30));
      call.edits().push_back(SetField{"tenant", "early"});
      return verdict(Action::pending);
    });
  }
};

// Every token, and what became of it as the racing threads and the waiting side each saw it.
struct Race {
  std::vector<std::atomic<PendingToken>> tokens = std::vector<std::atomic<PendingToken>>(kRounds);
  std::vector<std::atomic<uint8_t>> completed = std::vector<std::atomic<uint8_t>>(kRounds);  // completions that were told they won
  std::vector<uint8_t> answered = std::vector<uint8_t>(kRounds), timed_out = answered, aborted = answered, lost_abort = answered;
  std::atomic<int> published{-1};
  std::atomic<bool> stop{false};
};

Task<void> race_once(Loop* loop, PendingTable* table, Race* race, int round) {
  auto at = static_cast<size_t>(round);
  PendingCall call(*table);
  race->tokens[at] = call.open(Millis(round % 7 == 0 ? 1 : 1'000'000));
  race->published = round;
  if (round % 5 == 0) {
    co_await sleep_for(*loop, Millis(0));
    if (call.token() != 0) ++(call.abandon() ? race->aborted : race->lost_abort)[at];
    else ++race->answered[at];
    co_return;
  }
  std::optional<HookAnswer> answer = co_await call.answer();
  ++(answer ? race->answered : race->timed_out)[at];
}

void complete_twice(PendingTable* table, Race* race) {
  for (int done = -1; !race->stop;) {
    int newest = race->published;
    if (newest == done) continue;
    done = newest;
    auto at = static_cast<size_t>(newest);
    for (int twice = 0; twice < 2; ++twice)
      if (table->complete(race->tokens[at], {}) == Completion::taken) ++race->completed[at];
  }
}

}  // namespace

TEST_CASE("an answer from another thread, with edits of both times; a second one is late") {
  Deferring one;
  one.rig.start(Stage::rcpt);
  REQUIRE(one.token != 0);
  CHECK(one.second == 0);  // one token a call
  CHECK(!one.rig.decided);
  std::thread other([&] {
    HookAnswer answer{verdict(Action::reject), {SetField{"stream", "later"}}};
    CHECK(one.rig.runner.pending().complete(one.token, answer) == Completion::taken);
    CHECK(one.rig.runner.pending().complete(one.token, answer) == Completion::late);
  });
  other.join();
  CHECK(one.rig.until([&] { return one.rig.decided; }));
  CHECK(one.rig.decision.verdict.action == Action::reject);
  CHECK(one.rig.decision.edits.size() == 2);
  CHECK(one.rig.runner.pending().open_count() == 0);
  CHECK(one.hook->cancelled.empty());
}

TEST_CASE("no answer in time is a fault by the policy, and the late answer changes nothing") {
  for (auto [policy, expected] : {std::pair{FaultPolicy::tempfail, Action::tempfail}, std::pair{FaultPolicy::next, Action::next},
                                  std::pair{FaultPolicy::reject, Action::reject}}) {
    Deferring one(policy);
    one.rig.start(Stage::rcpt);
    one.rig.pass(Seconds(29));
    CHECK(!one.rig.decided);
    one.rig.pass(Seconds(2));
    REQUIRE(one.rig.until([&] { return one.rig.decided; }));
    CHECK(one.rig.decision.verdict.action == expected);
    CHECK(one.rig.decision.edits.empty());
    CHECK(one.rig.sink.count("hook.timeout") == 1);
    CHECK(one.rig.runner.pending().complete(one.token, {}) == Completion::late);
  }
}

TEST_CASE("an abort cancels the hook once; completion afterwards is late; one that won before is not cancelled") {
  Deferring one;
  one.rig.start(Stage::rcpt);
  one.rig.scope.cancel();
  CHECK(one.hook->cancelled == std::vector<PendingToken>{one.token});
  CHECK(one.rig.runner.pending().complete(one.token, {}) == Completion::late);
  Deferring two;
  two.rig.start(Stage::rcpt);
  CHECK(two.rig.runner.pending().complete(two.token, {}) == Completion::taken);
  two.rig.scope.cancel();
  CHECK(two.hook->cancelled.empty());
  two.rig.pass(Seconds(0));  // its delivery finds nobody
  CHECK(two.rig.runner.pending().open_count() == 0);
  CHECK(!two.rig.decided);
}

TEST_CASE("a token is defer's or nobody's") {
  RunnerRig rig;
  PendingTable& table = rig.runner.pending();
  for (PendingToken wrong : {PendingToken{0}, PendingToken{1} << 32, PendingToken{5}, ~PendingToken{0}})
    CHECK(table.complete(wrong, {}) == Completion::late);
  rig.add(hook_info("p", Stage::rcpt), [](HookCall& call) { return call.defer(Millis(0)), verdict(Action::pending); });
  CHECK(rig.run(Stage::rcpt).verdict.action == Action::tempfail);  // pending without a time-out is a fault
  RunnerRig unused;
  PendingToken token = 0;
  unused.add(hook_info("p", Stage::rcpt), [&](HookCall& call) { return token = call.defer(Seconds(9)), verdict(Action::next); });
  CHECK(unused.run(Stage::rcpt).verdict.action == Action::next);  // deferred, and answered at once all the same
  CHECK(unused.runner.pending().complete(token, {}) == Completion::late);
}

TEST_CASE("threads race to complete every token twice, against time-outs and aborts: each has one winner") {
  FakeClock clock;
  Loop loop(clock);
  PendingTable table(loop);
  Race race;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(complete_twice, &table, &race);
  {
    Scope scope(loop);
    for (int round = 0; round < kRounds; ++round) {
      scope.spawn(race_once(&loop, &table, &race, round));
      if (round % 3 == 0) clock.advance(Millis(1));
      loop.run_turn(Millis(0));
    }
    clock.advance(Seconds(2'000'000));
    for (int i = 0; i < 100'000 && scope.running() > 0; ++i) loop.run_turn(Millis(0));
    CHECK(scope.running() == 0);
  }
  race.stop = true;
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < 3; ++i) loop.run_turn(Millis(0));
  CHECK(table.open_count() == 0);
  size_t wrong = 0, completed = 0, timed_out = 0, aborted = 0;
  for (size_t i = 0; i < kRounds; ++i) {
    int by_completion = race.answered[i] + race.lost_abort[i];
    wrong += race.completed[i] != by_completion || by_completion + race.timed_out[i] + race.aborted[i] != 1;
    completed += race.completed[i];
    timed_out += race.timed_out[i];
    aborted += race.aborted[i];
  }
  CHECK(wrong == 0);
  MESSAGE("completed " << completed << ", timed out " << timed_out << ", aborted " << aborted);
  CHECK(completed > 0);
  CHECK(timed_out > 0);
  CHECK(aborted > 0);
}
