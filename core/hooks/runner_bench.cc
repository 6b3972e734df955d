// What one call of a hook costs that the runner calls one by one: ten hooks that answer `next` at one stage, asked over and over. Prints
// nanoseconds of processor time a call, for an asking that is awaited, for a told stage, and for reading the clock, which is part of both.
// Hooks of plugins, which are asked in a row: core/plugin/host_bench.cc. Not a test: figures mean something in a release build only.
#include <ctime>

#include <cstdio>

#include "hooks/runner.h"
#include "log/sinks.h"
#include "loop/scope.h"

using namespace veredus;

namespace {

constexpr int kHooks = 10;
constexpr int kRounds = 300'000;
constexpr int kRepeats = 5;

class Agreeing final : public Hook {
 public:
  using Hook::Hook;
  Verdict call(HookCall& call) override {
    seen_ += call.subject().recipient_index;
    return {};
  }

 private:
  uint64_t seen_ = 0;
};

struct Bench {
  FakeClock clock;
  Loop loop{clock};
  ListSink sink;
  Log log{clock, sink, Severity::warning};
  Runner runner{loop, log, std::make_shared<const HookSet>()};
  Scope scope{loop};
  Origin origin;
  Envelope envelope;
  std::atomic<uint64_t> in_hand{0};
};

// Of the processor, so that what else runs on the machine disturbs less.
double used_nanos() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double nanos_per_call(double from) { return (used_nanos() - from) / kHooks / kRounds; }

double read_clock() {
  double from = used_nanos();
  uint64_t sum = 0;
  for (int i = 0; i < kHooks * kRounds; ++i) sum += Ticks::now();
  return sum == 0 ? 0 : nanos_per_call(from);
}

Task<void> ask(Bench* bench, Stage stage, double* out) {
  HookState state = bench->runner.begin();
  Subject subject;
  subject.origin = &bench->origin;
  subject.envelope = &bench->envelope;
  double from = used_nanos();
  for (int round = 0; round < kRounds; ++round) {
    subject.recipient_index = static_cast<uint32_t>(round);
    Decision decision = co_await bench->runner.run(stage, subject, state);
    if (decision.verdict.action != Action::next) co_return;
  }
  *out = nanos_per_call(from);
}

double tell(Bench& bench, Stage stage) {
  HookState state = bench.runner.begin();
  Subject subject;
  subject.envelope = &bench.envelope;
  double from = used_nanos();
  for (int round = 0; round < kRounds; ++round) bench.runner.tell(stage, subject, state);
  return nanos_per_call(from);
}

}  // namespace

int main() {
  Bench bench;
  std::vector<std::shared_ptr<Hook>> hooks;
  for (Stage stage : {Stage::rcpt, Stage::queued})
    for (int i = 0; i < kHooks; ++i) {
      HookInfo info;
      info.plugin = "a-plugin-with-a-longish-name/instance-" + std::to_string(i);
      info.stage = stage;
      hooks.push_back(std::make_shared<Agreeing>(std::move(info)));
    }
  bench.runner.use(std::make_shared<const HookSet>(std::move(hooks)));
  bench.runner.name_in(&bench.in_hand);
  bench.envelope.id = MessageId{1};
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    double asked = 0;
    bench.scope.spawn(ask(&bench, Stage::rcpt, &asked));
    double told = tell(bench, Stage::queued);
    std::printf("%d hooks: asked %.1f ns a call, told %.1f ns a call; the clock %.1f ns of it\n", kHooks, asked, told, read_clock());
  }
  return 0;
}
