// Ticks: the cheapest steady clock there is, for spans below a second: the counter of the processor when its rate never changes, else the
// system's clock. Spans of it become nanoseconds by to_nanos(). The counter costs half of what the system's clock does. Any thread.
#pragma once

#include <cstdint>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace veredus {

class Ticks {
 public:
  static uint64_t now() {
#if defined(__x86_64__)
    if (steady_counter_) [[likely]]
      return __rdtsc();
#elif defined(__aarch64__)
    uint64_t out;
    asm volatile("mrs %0, cntvct_el0" : "=r"(out));
    return out;
#endif
    return system_nanos();
  }
  static uint64_t to_nanos(uint64_t ticks) { return static_cast<uint64_t>(static_cast<Wide>(ticks) * nanos_per_tick() >> kShift); }
  static uint64_t from_nanos(uint64_t nanos) { return static_cast<uint64_t>((static_cast<Wide>(nanos) << kShift) / nanos_per_tick()); }

  static uint64_t system_nanos();

 private:
  __extension__ using Wide = unsigned __int128;
  static constexpr unsigned kShift = 32;
  static uint64_t nanos_per_tick();  // << kShift; found out at the first use, which takes two milliseconds

#if defined(__x86_64__)
  static const bool steady_counter_;
#endif
};

}  // namespace veredus
