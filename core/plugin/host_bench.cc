// What a call of a plugin's hook costs beyond the plugin's own work: ten instances of a plugin in C that answers `next`, through the runner.
// Prints nanoseconds of processor time a call, at the daemon's usual log level and at debug, where every answer is a line of the log. Not a
// test: figures mean something in a release build only.
#include <cstdio>
#include <ctime>

#include "plugin/host_test_rig.h"

using namespace veredus;
using namespace veredus::test;

namespace {

constexpr int kHooks = 10, kRounds = 300'000, kRepeats = 5;

double used_nanos() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

Task<void> ask(HostRig* rig, double* nanos, bool* done) {
  HookState state = rig->runner().begin();
  Subject subject;
  subject.origin = &rig->origin;
  subject.envelope = &rig->envelope;
  double from = used_nanos();
  for (int round = 0; round < kRounds; ++round) {
    Decision decision = co_await rig->runner().run(Stage::rcpt, subject, state);
    if (decision.verdict.action != Action::next) std::abort();
  }
  *nanos = (used_nanos() - from) / kHooks / kRounds;
  *done = true;
}

double best_of(HostRig& rig, int repeats) {
  double best = 1e9;
  for (int i = 0; i < repeats; ++i) {
    double nanos = 0;
    bool done = false;
    rig.scope->spawn(ask(&rig, &nanos, &done));
    rig.until([&] { return done; });
    best = std::min(best, nanos);
  }
  return best;
}

}  // namespace

TEST_CASE("the cost of a call") {
  HostRig rig;
  std::vector<std::string> fragment_texts;
  for (int i = 0; i < kHooks; ++i) fragment_texts.push_back("plugin: next\ninstance: n" + std::to_string(i) + "\n");
  REQUIRE(rig.enable(fragment_texts) == "");
  for (Severity level : {Severity::info, Severity::debug}) {
    rig.all[0]->log.set_threshold(level);
    std::printf("%.1f ns a call, the runner's clock and counters included, at log level %s\n", best_of(rig, level == Severity::info ? kRepeats : 1),
                std::string(severity_name(level)).c_str());
    rig.sink.clear();
  }
}
