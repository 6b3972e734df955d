// Plugins that do what they may not: named in the log, contained, and the stage comes to its end.
#include <numeric>

#include "plugin/host_test_rig.h"
#include "plugin/serial_calls.h"

using namespace veredus;
using namespace veredus::test;

namespace {

struct Misdeed {
  std::string how;
  Action action;        // of the decision: tempfail is the fault policy
  const char* in_log;   // empty: nothing is said of it but the fault
};

const Misdeed kMisdeeds[] = {
    {"nonsense", Action::tempfail, "an action that does not exist"},
    {"reserved", Action::tempfail, "reserved octets of a verdict are not zero"},
    {"fault", Action::tempfail, ""},
    {"throws", Action::tempfail, "threw an exception: of no use"},
    {"throws_int", Action::tempfail, "threw an exception"},
    {"no_token", Action::tempfail, "pending without a token"},
    {"no_right", Action::tempfail, "set sender: without the right"},
    {"twice", Action::tempfail, "\"event\":\"plugin.late\""},
    {"wrong_thread", Action::next, "called on a thread that its tag does not allow"},
    {"slow", Action::next, "\"event\":\"hook.slow\""},
    {"gives_away", Action::next, "a list of edits that belongs to a call"},
    {"bad_edits", Action::next, ""},
    {"leaks", Action::next, ""},
};

Task<void> wait_for_plugin(Runner* runner, HookState* state) {
  Subject subject;
  (void)co_await runner->run(Stage::rcpt, subject, *state);
}

Task<void> take_answer(PendingCall* waiting, std::optional<HookAnswer>* out) {
  *out = co_await waiting->answer();
}

Decision commit(HostRig& rig, const std::string& plugin, const std::string& how) {
  rig.envelope.recipients = {recipient("me@b.test")};
  REQUIRE(rig.enable({"plugin: next\n", "plugin: " + plugin + "\nhow: " + how + "\n", "plugin: next\ninstance: second\n"}) == "");
  return rig.ask(Stage::rcpt);
}

// At debug hooks are called one by one, since each answer is a line of the log; otherwise in a row.
constexpr Severity kLevels[] = {Severity::debug, Severity::info};

void set_level(HostRig& rig, Severity level) {
  for (auto& one : rig.all) one->log.set_threshold(level);
}

}  // namespace

TEST_CASE("every misdeed is contained and named") {
  for (const char* plugin : {"misbehave", "misbehave-shared"}) {
    for (const Misdeed& misdeed : kMisdeeds) {
      for (Severity level : kLevels) {
        HostRig rig;
        set_level(rig, level);
        CAPTURE(plugin);
        CAPTURE(misdeed.how);
        CHECK(commit(rig, plugin, misdeed.how).verdict.action == misdeed.action);
        CHECK(has(rig.log(), misdeed.in_log));
        bool named = has(rig.log(), std::string("\"plugin\":\"") + plugin + "\"");
        CHECK((named || (level == Severity::info && misdeed.how == "bad_edits") || (level == Severity::info && misdeed.how == "leaks")));
      }
    }
  }
}

TEST_CASE("a serial plugin's misdeeds come back from its loop") {
  for (const Misdeed& misdeed : kMisdeeds) {
    HostRig rig(2);
    CAPTURE(misdeed.how);
    REQUIRE(rig.enable({"plugin: recorder-serial\n"}) == "");  // so that the next one is served by the other loop in one of two runs
    Action action = commit(rig, "misbehave-serial", misdeed.how).verdict.action;
    CHECK(action == misdeed.action);
    rig.finish();
    CHECK(has(rig.log(), misdeed.in_log));
  }
}

TEST_CASE("a thread answers with a retained view; edits of the call come before its own") {
  for (const char* plugin : {"misbehave", "misbehave-serial", "misbehave-shared"}) {
    HostRig rig(2);
    CAPTURE(plugin);
    Decision decision = commit(rig, plugin, "thread");
    CHECK(decision.verdict.action == Action::ok);
    REQUIRE(decision.edits.size() == 2);
    CHECK(std::get<AddNote>(decision.edits[0]).key == "misbehave.first");
    CHECK(std::get<AddNote>(decision.edits[1]).value == "thread");
    CHECK(rig.host->stats()[0].views == 0);
    CHECK(rig.host->stats()[0].edits == 0);
  }
}

TEST_CASE("a hook that never answers times out after its own time, and is too late then") {
  for (const char* plugin : {"misbehave", "misbehave-serial"}) {
    HostRig rig(2);
    CAPTURE(plugin);
    CHECK(commit(rig, plugin, "never").verdict.action == Action::tempfail);
    CHECK(has(rig.log(), "\"event\":\"hook.timeout\""));
    auto stats = rig.host->stats();
    CHECK(stats[0].stages[0].hooks.timeouts == 1);
    CHECK(stats[0].stages[0].pending == 0);
    CHECK(rig.ask(Stage::rcpt).verdict.action == Action::next);
    CHECK(rig.host->stats()[0].late == 1);
  }
}

TEST_CASE("a stage is not followed after its call, and the right plugin is named") {
  for (Severity level : kLevels) {
    HostRig rig;
    set_level(rig, level);
    commit(rig, "misbehave", "keeps_stage");
    CHECK(rig.ask(Stage::rcpt).verdict.action == Action::next);
    CHECK(has(rig.log(), "\"plugin\":\"misbehave\",\"function\":"));
    CHECK(has(rig.log(), "used after its call"));
  }
}

TEST_CASE("calls are counted the same, one by one and in a row") {
  for (Severity level : kLevels) {
    HostRig rig;
    set_level(rig, level);
    for (int i = 0; i < 3; ++i) commit(rig, "misbehave", i == 0 ? "fault" : "not");
    for (int i = 0; i < 500; ++i) rig.ask(Stage::rcpt);
    for (const PluginStats& plugin : rig.host->stats()) {
      const HookStats* rcpt = nullptr;
      for (const StageStats& stage : plugin.stages)
        if (stage.stage == Stage::rcpt) rcpt = &stage.hooks;
      REQUIRE(rcpt);
      CAPTURE(plugin.plugin);
      bool last = plugin.plugin == "next/second";
      CHECK(rcpt->calls == (last ? 502 : 503));  // after the fault nobody was asked
      CHECK(rcpt->answers[static_cast<size_t>(Action::next)] == (plugin.plugin == "next" ? 503 : 502));
      CHECK(rcpt->faults == (plugin.plugin == "misbehave" ? 1 : 0));
      CHECK(std::accumulate(rcpt->histogram.begin(), rcpt->histogram.end(), uint64_t{0}) == rcpt->calls);
      CHECK(rcpt->nanos > 0);
      CHECK(rcpt->nanos < 1'000'000'000);
      CHECK(rcpt->slow == 0);
    }
  }
}

TEST_CASE("views and edits that a plugin keeps are counted, and told of when it ends") {
  HostRig rig;
  commit(rig, "misbehave", "leaks");
  rig.ask(Stage::rcpt);
  CHECK(rig.host->stats()[0].views == 2);
  CHECK(rig.host->stats()[0].edits == 2);
  rig.finish();
  CHECK(has(rig.log(), "\"event\":\"plugin.leaked_views\",\"plugin\":\"misbehave\",\"views\":2,\"edits\":2"));
}

TEST_CASE("of several threads that answer one token, one wins") {
  for (const char* plugin : {"misbehave", "misbehave-serial"}) {
    HostRig rig(2);
    CAPTURE(plugin);
    Decision decision = commit(rig, plugin, "race");
    for (int i = 0; i < 300 && decision.verdict.action == Action::next; ++i) decision = rig.ask(Stage::rcpt);
    CHECK(decision.verdict.action == Action::next);
    CHECK(decision.edits.size() == 1);
    CHECK(rig.host->stats()[0].stages[0].pending == 0);
    rig.finish();  // joins the losers, whose edits are consumed too
    CHECK(has(rig.log(), std::string("\"event\":\"plugin.ended\",\"plugin\":\"") + plugin));
    CHECK_FALSE(has(rig.log(), "plugin.leaked_views"));
  }
}

TEST_CASE("who goes away while a plugin waits is told of once") {
  HostRig rig(2);
  REQUIRE(rig.enable({"plugin: misbehave\nhow: never\n"}) == "");
  {
    auto state = std::make_unique<HookState>(rig.runner().begin());
    Scope session(rig.main());
    session.spawn(wait_for_plugin(&rig.runner(), state.get()));
    CHECK(rig.host->stats()[0].stages[0].pending == 1);
    session.cancel();
  }
  CHECK(rig.host->stats()[0].stages[0].pending == 0);
  CHECK(rig.ask(Stage::rcpt).verdict.action == Action::next);  // too late, and nothing happens
}

TEST_CASE("a call of a serial plugin that is suspended while it is answered has one winner, and its edits come first") {
  HostRig rig;
  PendingTable& table = rig.runner().pending();
  for (int round = 0; round < 3'000; ++round) {
    SerialCalls calls;
    PendingCall waiting(table);
    PendingToken token = waiting.open(Millis(60'000));
    calls.begin(token);
    std::atomic<bool> go{false};
    bool second = false;
    std::thread other([&] {
      while (!go) {
      }
      second = calls.answer(token, HookAnswer(), table);
    });
    HookAnswer so_far;
    so_far.edits.emplace_back(AddNote{"a", "b"});
    bool first = round % 2 == 0 && calls.answer(token, HookAnswer(), table);
    go = true;
    calls.suspend(token, std::move(so_far), Millis(60'000), table);
    other.join();
    CHECK(first + second == 1);
    std::optional<HookAnswer> answer;
    Scope scope(rig.main());
    scope.spawn(take_answer(&waiting, &answer));
    rig.until([&] { return answer.has_value(); });
    REQUIRE(answer);
    CHECK(answer->edits.size() == 1);
  }
}
