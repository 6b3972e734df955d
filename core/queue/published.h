// Published: the queue's counters as other threads may read them. Written at the end of each turn of the
// queue loop, read anywhere.
#pragma once

#include <array>
#include <atomic>

#include "queue/queue.h"

namespace veredus::queue_detail {

class Published {
 public:
  void write(const QueueCounters& counters) {
    version_.fetch_add(1, std::memory_order_acq_rel);  // odd: being written
    for (size_t i = 0; i < std::size(kFields); ++i)
      values_[i].store(counters.*kFields[i], std::memory_order_release);
    version_.fetch_add(1, std::memory_order_release);
  }

  QueueCounters read() const {  // all values of the same turn
    for (;;) {
      uint64_t before = version_.load(std::memory_order_acquire);
      QueueCounters out;
      for (size_t i = 0; i < std::size(kFields); ++i)
        out.*kFields[i] = values_[i].load(std::memory_order_acquire);
      if (before % 2 == 0 && version_.load(std::memory_order_relaxed) == before) return out;
    }
  }

 private:
  static constexpr uint64_t QueueCounters::*kFields[] = {
      &QueueCounters::accepted, &QueueCounters::delivered, &QueueCounters::bounced,
      &QueueCounters::expired,  &QueueCounters::discarded, &QueueCounters::removed,
      &QueueCounters::queued,   &QueueCounters::held,      &QueueCounters::messages};
  std::array<std::atomic<uint64_t>, std::size(kFields)> values_{};
  std::atomic<uint64_t> version_{0};
};

}  // namespace veredus::queue_detail
