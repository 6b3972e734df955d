// The retry list and its jitter.
#include "queue/retry_plan.h"

#include <algorithm>

namespace veredus::queue_detail {

Millis RetryPlan::base(const QueueSettings& settings, uint64_t failures) {
  if (settings.retry.empty()) return Millis(300'000);
  size_t index = std::min<size_t>(failures == 0 ? 0 : failures - 1, settings.retry.size() - 1);
  return std::max(settings.retry[index], Millis(1));
}

Millis RetryPlan::wait(const QueueSettings& settings, uint64_t failures) {
  Millis base_wait = base(settings, failures);
  int64_t most = base_wait.count() * std::min<int64_t>(settings.jitter, 100) / 100;
  if (most == 0) return base_wait;
  return std::max(base_wait + Millis(std::uniform_int_distribution<int64_t>(-most, most)(random_)),
                  Millis(1));
}

}  // namespace veredus::queue_detail
