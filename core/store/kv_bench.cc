// Measures the store on a real directory: kv_bench DIRECTORY OPERATIONS BATCH CONCURRENT KEYS. Two loops on threads of their own, each
// with CONCURRENT coroutines that send batches of additions, then of takes; prints operations a second.
#include <cstdio>
#include <cstdlib>

#include "log/sinks.h"
#include "loop/scope.h"
#include "store/kv_store.h"

namespace veredus {
namespace {

struct Plan {
  Kv& kv;
  bool takes;
  long operations;
  long batch, concurrent, keys;
};

struct Side {
  Loop& loop;
  const Plan& plan;
  long left;
  unsigned seed;
};

std::vector<KvOp> make_batch(Side& side) {
  std::vector<KvOp> ops;
  ops.reserve(static_cast<size_t>(side.plan.batch));
  for (long i = 0; i < side.plan.batch; ++i) {
    std::string key = "client/192.0.2." + std::to_string(rand_r(&side.seed) % side.plan.keys);
    if (side.plan.takes) ops.push_back(KvOp::take("b" + key, TokenBucket{100, 10, 1}));
    else ops.push_back(KvOp::add(key, 1, Seconds(3600)));
  }
  return ops;
}

Task<void> send(Side& side) {
  while (side.left > 0) {
    side.left -= side.plan.batch;
    auto answers = co_await side.plan.kv.run(side.loop, "bench", make_batch(side), Deadline::never());
    if (!answers) std::fprintf(stderr, "%s\n", answers.error().text.c_str());
  }
}

Task<void> send_all(Side& side) {
  Scope scope(side.loop);
  for (long i = 0; i < side.plan.concurrent; ++i) scope.spawn(send(side));
  co_await scope.idle(Deadline::never());
  side.loop.stop();
}

void one_side(Loop& loop, const Plan& plan, unsigned seed) {
  Side side{loop, plan, plan.operations / 2, seed};
  Scope scope(loop);
  scope.spawn(send_all(side));
  loop.run();
}

void measure(KvStore& store, const Clock& clock, const Plan& plan) {
  Loop first(clock, 0), second(clock, 1);
  uint64_t commits = store.commits();
  auto start = std::chrono::steady_clock::now();
  std::thread other([&] { one_side(second, plan, 2); });
  one_side(first, plan, 1);
  other.join();
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("%s: %.0f operations/s, %.1f commits/s\n", plan.takes ? "take" : "add", static_cast<double>(plan.operations) / seconds,
              static_cast<double>(store.commits() - commits) / seconds);
}

int bench(char** argv) {
  RealClock clock;
  ListSink lines;
  KvStoreOptions options;
  options.path = std::string(argv[1]) + "/kv.db";
  auto store = KvStore::open(options, clock, lines);
  if (!store) return std::fprintf(stderr, "%s\n", store.error().text.c_str()), 1;
  for (bool takes : {false, true}) {
    Plan plan{**store, takes, std::atol(argv[2]), std::atol(argv[3]), std::atol(argv[4]), std::atol(argv[5])};
    measure(**store, clock, plan);
  }
  std::fputs(lines.text().c_str(), stderr);
  return 0;
}

}  // namespace
}  // namespace veredus

int main(int argc, char** argv) {
  if (argc < 6) return std::fprintf(stderr, "kv_bench DIRECTORY OPERATIONS BATCH CONCURRENT KEYS\n"), 64;
  return veredus::bench(argv);
}
