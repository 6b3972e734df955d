// Whether the processor's counter can be trusted, and how fast it is.
#include "hooks/ticks.h"

#include <chrono>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace veredus {

namespace {

#if defined(__x86_64__)
// "Invariant TSC": the same rate at every speed of the processor, and on in every state of sleep.
bool counter_is_steady() {
  constexpr unsigned kLeaf = 0x80000007, kInvariant = 1u << 8;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(kLeaf, &a, &b, &c, &d) != 0 && (d & kInvariant) != 0;
}
#endif

struct Moment {
  uint64_t ticks, nanos;
};

// Of some tries the one with the least time between the two readings, which may be that of somebody else's turn on the processor.
Moment moment() {
  constexpr int kTries = 5;
  Moment best{};
  for (uint64_t least = UINT64_MAX, i = 0; i < kTries; ++i) {
    uint64_t before = Ticks::now(), nanos = Ticks::system_nanos(), after = Ticks::now();
    if (after - before >= least) continue;
    least = after - before;
    best = {before + (after - before) / 2, nanos};
  }
  return best;
}

// Good for one part in ten thousand.
uint64_t measured_rate(unsigned shift) {
  constexpr uint64_t kSpan = 2'000'000;
  Moment from = moment(), to = from;
  while (to.nanos - from.nanos < kSpan) to = moment();
  uint64_t ticks = to.ticks - from.ticks;
  return ticks == 0 ? uint64_t{1} << shift : ((to.nanos - from.nanos) << shift) / ticks;
}

}  // namespace

#if defined(__x86_64__)
const bool Ticks::steady_counter_ = counter_is_steady();
#endif

uint64_t Ticks::nanos_per_tick() {
  static const uint64_t rate = measured_rate(kShift);
  return rate;
}

uint64_t Ticks::system_nanos() {
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

}  // namespace veredus
