// HookStats: what one hook cost and answered so far. HookCounters: the cells behind it, written by the loop that calls the hook, and
// readable from any thread at any time; a picture taken meanwhile may be one call ahead in one cell and not in another. QuickCounters: the
// two cells for the calls that are most in number.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

#include "hooks/hooks.h"
#include "hooks/ticks.h"

namespace veredus {

struct HookStats {
  static constexpr size_t kBuckets = 16;
  uint64_t calls = 0;
  std::array<uint64_t, kActionCount> answers{};  // by Action, as the hook gave them; `pending` besides the answer that came later
  uint64_t faults = 0;         // whatever the policy made of them; time-outs and refused edits are not among them
  uint64_t timeouts = 0;
  uint64_t slow = 0;           // calls that blocked the loop for longer than is good
  uint64_t edits_refused = 0;  // calls whose edits were refused
  uint64_t nanos = 0;          // inside calls; waiting for a later answer does not count
  std::array<uint64_t, kBuckets> histogram{};  // of calls, by time: bucket i is below bucket_limit(i), the last is open

  static constexpr uint64_t bucket_limit(size_t bucket) { return uint64_t{250} << bucket; }
};

// One writer: no locked instruction.
using CounterCell = std::atomic<uint64_t>;
inline void add_to(CounterCell& cell, uint64_t more = 1) {
  cell.store(cell.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

// Calls that were answered `next` with nothing else, within the first bucket of the histogram.
class QuickCounters {
 public:
  static constexpr uint64_t kBelowNanos = HookStats::bucket_limit(0);
  void called(uint64_t ticks) {  // [loop]
    add_to(calls_);
    add_to(ticks_, ticks);
  }
  void add_into(HookStats& stats) const {  // [any]
    uint64_t calls = calls_.load(std::memory_order_relaxed);
    stats.calls += calls;
    stats.answers[static_cast<size_t>(Action::next)] += calls;
    stats.histogram[0] += calls;
    stats.nanos += Ticks::to_nanos(ticks_.load(std::memory_order_relaxed));
  }

 private:
  CounterCell calls_{0}, ticks_{0};
};

class HookCounters {
 public:
  // [loop]
  void called(uint64_t nanos) {
    add_to(calls_);
    add_to(nanos_, nanos);
    size_t bucket = static_cast<size_t>(std::bit_width(nanos / HookStats::bucket_limit(0)));
    add_to(histogram_[bucket < HookStats::kBuckets ? bucket : HookStats::kBuckets - 1]);
  }
  void answered(Action action) {
    auto number = static_cast<size_t>(action);
    if (number < kActionCount) add_to(answers_[number]);
  }
  void faulted() { add_to(faults_); }
  void timed_out() { add_to(timeouts_); }
  void was_slow() { add_to(slow_); }
  void edits_refused() { add_to(edits_refused_); }

  HookStats snapshot() const;  // [any]

 private:
  using Cell = CounterCell;

  Cell calls_{0}, nanos_{0}, faults_{0}, timeouts_{0}, slow_{0}, edits_refused_{0};
  std::array<Cell, kActionCount> answers_{};
  std::array<Cell, HookStats::kBuckets> histogram_{};
};

}  // namespace veredus
