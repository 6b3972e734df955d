// RetryPlan: how long to wait after the n-th failure, with jitter from a generator that tests can seed.
// Belongs to the queue loop.
#pragma once

#include <random>

#include "config/settings.h"

namespace veredus::queue_detail {

class RetryPlan {
 public:
  explicit RetryPlan(uint64_t seed) : random_(seed) {}

  // The entry of queue.retry for this many failures (1 = the first); the last one repeats.
  static Millis base(const QueueSettings& settings, uint64_t failures);
  // The same, longer or shorter by at most queue.jitter per cent.
  Millis wait(const QueueSettings& settings, uint64_t failures);

 private:
  std::mt19937_64 random_;
};

}  // namespace veredus::queue_detail
