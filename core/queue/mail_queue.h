// MailQueue: the Queue and QueuePort that the worker builds. It carries calls from other loops to the queue's
// loop; the work is done by QueueCore there. It must outlive every loop's last turn that may still call it.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>

#include "log/log.h"
#include "queue/queue.h"

namespace veredus {

namespace queue_detail {
class QueueCore;
}

class MailQueue final : public Queue, public QueuePort {
 public:
  // `loop` is the queue's loop. `seed` is for the jitter of retries.
  MailQueue(Loop& loop, Spool& spool, Log& log, SettingsPtr settings, uint64_t seed);
  ~MailQueue() override;

  // Before recover() and start(): those who were made after the queue because they need its port.
  void connect(Router& router, Courier& courier, Reporter& reporter);
  void on_finished(OnFinished callback);

  void add(std::shared_ptr<const Message> message) override;
  Task<Status> recover() override;
  void start() override;
  void reconfigure(SettingsPtr settings) override;
  Task<void> drain(Deadline deadline) override;
  Task<std::vector<StoredMessage>> list(QueueFilter filter, size_t at_most) override;
  Task<Result<uint64_t>> act(QueueFilter filter, QueueAction action, std::string by) override;
  std::vector<DestinationInfo> destinations() const override;
  uint64_t suspend(const std::string& destination, std::string by) override;
  uint64_t resume(const std::string& destination) override;
  QueueCounters counters() const override;
  QueuePort& port() override { return *this; }

  Task<bool> admit(Loop& here, LeaseId lease, LeaseTags tags) override;
  Task<std::optional<Attempt>> next(Loop& here, LeaseId lease, std::optional<AttemptResult> previous,
                                    Deadline idle) override;
  void end(LeaseId lease, LeaseEnd how, Reply failure, std::optional<AttemptResult> last) override;

 private:
  Loop& loop_;
  std::unique_ptr<queue_detail::QueueCore> core_;
};

}  // namespace veredus
