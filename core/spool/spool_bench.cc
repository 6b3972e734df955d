// Measures the spool on a real directory: spool_bench DIRECTORY MESSAGES OCTETS CONCURRENT [finish]. One loop with CONCURRENT
// coroutines that store one message after the other; prints rate, latency and CPU time.
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "loop/scope.h"
#include "spool/log_spool.h"
#include "spool/posix_storage.h"

namespace veredus {
namespace {

class Printer final : public SpoolObserver {
 public:
  void spool_event(SpoolEvent event, std::string_view file, std::string_view detail) override {
    std::fprintf(stderr, "%s %.*s %.*s\n", std::string(event_name(event)).c_str(), static_cast<int>(file.size()), file.data(),
                 static_cast<int>(detail.size()), detail.data());
  }
};

struct Run {
  Loop& loop;
  Spool& spool;
  IdGenerator ids;
  std::shared_ptr<const std::string> body;
  int left = 0;
  bool finish = false;
  std::vector<double> latencies;
};

Task<void> store_some(Run& run) {
  while (run.left-- > 0) {
    auto message = std::make_shared<Message>();
    message->envelope.id = run.ids.next();
    message->envelope.sender = Address::make("sender", "example.test");
    message->envelope.recipients.resize(1);
    message->envelope.recipients[0].address = Address::make("someone", "sink.test");
    message->content.head = "Received: from bench\r\n";
    message->content.memory = run.body;
    MessageId id = message->envelope.id;
    auto before = std::chrono::steady_clock::now();
    Status stored = co_await run.spool.store(run.loop, std::move(message));
    run.latencies.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - before).count());
    if (!stored) std::fprintf(stderr, "store: %s\n", stored.error().text.c_str());
    if (run.finish) {
      StateChange change{id, 0, {}};
      change.status.state = RecipientState::delivered;
      change.status.reply = "250 2.0.0 Ok";
      run.spool.record({change});
    }
  }
}

Task<void> run_all(Run& run, int concurrent) {
  Scope scope(run.loop);
  for (int i = 0; i < concurrent; ++i) scope.spawn(store_some(run));
  co_await scope.idle(Deadline::never());
  run.loop.stop();
}

Task<void> scan_all(Loop& loop, Spool& spool, size_t& count) {
  auto visit = [&count](const StoredMessage&) { return ++count, true; };
  Status scanned = co_await spool.scan(loop, visit);
  if (!scanned) std::fprintf(stderr, "scan: %s\n", scanned.error().text.c_str());
  loop.stop();
}

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void report(Run& run, int count, double seconds, double cpu, const SpoolStatus& status) {
  std::sort(run.latencies.begin(), run.latencies.end());
  size_t n = run.latencies.size();
  std::printf("%.0f messages/s, p50 %.3f ms, p99 %.3f ms, worst %.1f ms, CPU %.1f us a message, %.1f messages a sync\n", count / seconds,
              run.latencies[n / 2], run.latencies[n * 99 / 100], run.latencies.back(), cpu * 1e6 / count,
              static_cast<double>(count) / static_cast<double>(std::max<uint64_t>(status.syncs, 1)));
}

int bench(int argc, char** argv) {
  if (argc < 5) return std::fprintf(stderr, "spool_bench DIRECTORY MESSAGES OCTETS CONCURRENT [finish]\n"), 64;
  auto storage = PosixStorage::open_directory(argv[1]);
  if (!storage) return std::fprintf(stderr, "%s\n", storage.error().text.c_str()), 1;
  RealClock clock;
  Printer printer;
  Loop loop(clock);
  auto start = std::chrono::steady_clock::now();
  auto spool = LogSpool::open(**storage, clock, {}, printer);
  if (!spool) return std::fprintf(stderr, "%s\n", spool.error().text.c_str()), 1;
  std::printf("open %.3f s\n", seconds_since(start));
  size_t seen = 0;
  start = std::chrono::steady_clock::now();
  {
    Scope scope(loop);
    scope.spawn(scan_all(loop, **spool, seen));
    loop.run();
  }
  std::printf("scan of %zu %.3f s\n", seen, seconds_since(start));
  int count = std::atoi(argv[2]);
  if (count <= 0) return 0;
  Run run{loop, **spool, IdGenerator(clock, 0, (*spool.value()).newest_known()), {}, count, argc > 5, {}};
  run.body = std::make_shared<const std::string>(static_cast<size_t>(std::atoi(argv[3])), 'x');
  start = std::chrono::steady_clock::now();
  double cpu = cpu_seconds();
  Scope scope(loop);
  scope.spawn(run_all(run, std::atoi(argv[4])));
  loop.run();
  report(run, count, seconds_since(start), cpu_seconds() - cpu, (*spool.value()).status());
  return 0;
}

}  // namespace
}  // namespace veredus

int main(int argc, char** argv) { return veredus::bench(argc, argv); }
