// core.clock/1: the time of the calling thread's loop; elsewhere that of the main loop's clock, which is the same one.
#include <veredus/clock.h>

#include "plugin/interfaces.h"
#include "plugin/loop_services.h"

namespace veredus {

namespace {

// Every loop of a process has the same clock.
const Clock* clock_in_use() {
  if (LoopServices* here = LoopServices::here()) return &here->loop.clock();
  LoopServices* main = LoopServices::of(0);
  return main ? &main->loop.clock() : nullptr;
}

template <typename T>
int64_t millis(T time) {
  return std::chrono::duration_cast<Millis>(time.time_since_epoch()).count();
}

int64_t wall_ms(const vrd_host*) {
  const Clock* clock = clock_in_use();
  return clock ? millis(clock->wall()) : 0;
}

int64_t mono_ms(const vrd_host*) {
  const Clock* clock = clock_in_use();
  return clock ? millis(clock->mono()) : 0;
}

constexpr vrd_core_clock_1 kTable{VRD_SIZED(vrd_core_clock_1), 0, wall_ms, mono_ms};

}  // namespace

const vrd_core_clock_1& core_clock() { return kTable; }

}  // namespace veredus
