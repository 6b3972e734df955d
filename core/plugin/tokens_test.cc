// 300,000 tokens of a plugin that answers each from two threads, against time-outs and sessions that go away: each has one winner, and
// nothing of the host's is left with the plugin.
#include "plugin/host_test_rig.h"

using namespace veredus;
using namespace veredus::test;

namespace {

constexpr size_t kTokens = 300'000, kAtOnce = 2'000;

struct Tally {
  size_t running = 0, answered = 0, timed_out = 0, other = 0;
};

// Counts itself as running for as long as it is there.
class Running {
 public:
  explicit Running(Tally& tally) : tally_(tally) { ++tally_.running; }
  ~Running() { --tally_.running; }
  Running(const Running&) = delete;

 private:
  Tally& tally_;
};

Task<void> ask(HostRig* rig, Tally* tally) {
  Running running(*tally);
  HookState state = rig->runner().begin();
  Subject subject;
  subject.origin = &rig->origin;
  subject.envelope = &rig->envelope;
  subject.recipient = &rig->envelope.recipients[0];
  Decision decision = co_await rig->runner().run(Stage::rcpt, subject, state);
  if (decision.verdict.action == Action::ok) ++tally->answered;
  else if (decision.verdict.action == Action::tempfail) ++tally->timed_out;
  else ++tally->other;
}

size_t number_in(const std::string& log, const std::string& name) {
  size_t event = log.rfind("\"event\":\"patient.summary\"");
  REQUIRE(event != std::string::npos);
  size_t at = log.find("\"" + name + "\":\"", event);
  REQUIRE(at != std::string::npos);
  return std::stoul(log.substr(at + name.size() + 4));
}

}  // namespace

TEST_CASE("of completions, time-outs and aborts that race through the C interface one wins, for each of 300,000 tokens") {
  HostRig rig;
  rig.envelope.recipients = {recipient("me@b.test")};
  REQUIRE(rig.enable({"plugin: patient\nrace: true\n"}) == "");
  rig.all[0]->log.set_threshold(Severity::error);  // each time-out is a warning
  Tally tally;
  for (size_t i = 0; i < kTokens; ++i) {
    if (i % 7 == 0) {
      Scope leaving(rig.main());
      leaving.spawn(ask(&rig, &tally));
      leaving.cancel();
    } else {
      rig.scope->spawn(ask(&rig, &tally));
    }
    if (i % 50 == 0) rig.main().run_turn(Millis(0));
    while (tally.running >= kAtOnce) rig.main().run_turn(Millis(1));
  }
  CHECK(rig.until([&] { return tally.running == 0 && rig.runner().pending().open_count() == 0; }));
  HookStats stats = rig.host->stats()[0].stages[0].hooks;
  rig.all[0]->log.set_threshold(Severity::info);
  rig.finish();
  std::string log = rig.log();
  size_t won = number_in(log, "won"), late = number_in(log, "late"), cancelled = number_in(log, "cancelled");
  MESSAGE("completed " << won << ", timed out " << tally.timed_out << ", aborted " << cancelled);
  CHECK(number_in(log, "calls") == kTokens);
  CHECK(number_in(log, "wrong") == 0);
  CHECK(won + tally.timed_out + cancelled == kTokens);
  CHECK(won + late == 2 * kTokens);
  CHECK(tally.answered <= won);  // others were answered for somebody who had just left
  CHECK(tally.answered + tally.timed_out + (kTokens + 6) / 7 == kTokens);
  CHECK(tally.other == 0);
  CHECK(stats.timeouts == tally.timed_out);
  CHECK(cancelled > 0);
  CHECK(tally.timed_out > 0);
  CHECK_FALSE(has(log, "plugin.leaked_views"));
}
