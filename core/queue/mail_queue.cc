// The thread-safe face of the queue: each call from elsewhere is one post to the queue's loop, each answer
// one post back.
#include "queue/mail_queue.h"

#include "queue/queue_core.h"

namespace veredus {

using queue_detail::LeaseRecord;
using queue_detail::QueueCore;

MailQueue::MailQueue(Loop& loop, Spool& spool, Log& log, SettingsPtr settings, uint64_t seed)
    : loop_(loop), core_(std::make_unique<QueueCore>(loop, spool, log, std::move(settings), seed)) {}

MailQueue::~MailQueue() = default;

void MailQueue::connect(Router& router, Courier& courier, Reporter& reporter) {
  core_->connect(router, courier, reporter);
}

void MailQueue::on_finished(OnFinished callback) {
  core_->on_finished(std::move(callback));
}

void MailQueue::add(std::shared_ptr<const Message> message) {
  loop_.post_call(
      [core = core_.get(), message = std::move(message)]() mutable { core->add(std::move(message)); });
}

Task<Status> MailQueue::recover() {
  return core_->recover();
}
void MailQueue::start() {
  core_->start();
}
void MailQueue::reconfigure(SettingsPtr settings) {
  core_->reconfigure(std::move(settings));
}
Task<void> MailQueue::drain(Deadline deadline) {
  return core_->drain(deadline);
}

Task<std::vector<StoredMessage>> MailQueue::list(QueueFilter filter, size_t at_most) {
  return core_->list(std::move(filter), at_most);
}

Task<Result<uint64_t>> MailQueue::act(QueueFilter filter, QueueAction action, std::string by) {
  return core_->act(std::move(filter), action, std::move(by));
}

std::vector<DestinationInfo> MailQueue::destinations() const {
  return core_->destinations();
}

uint64_t MailQueue::suspend(const std::string& destination, std::string by) {
  return core_->suspend(destination, std::move(by));
}

uint64_t MailQueue::resume(const std::string& destination) {
  return core_->resume(destination);
}
QueueCounters MailQueue::counters() const {
  return core_->counters();
}

Task<bool> MailQueue::admit(Loop& here, LeaseId lease, LeaseTags tags) {
  Remote<bool> remote(here);
  loop_.post_call([core = core_.get(), lease, tags = std::move(tags), promise = remote.promise()]() mutable {
    promise.fulfil(core->admit(lease, std::move(tags)));
  });
  co_await remote.answered(Deadline::never());
  Result<bool> answer = remote.take();
  co_return answer.ok() && *answer;
}

// The deadline is kept by the queue, so that an item is never handed to somebody who has just stopped
// waiting.
Task<std::optional<Attempt>> MailQueue::next(Loop& here, LeaseId lease, std::optional<AttemptResult> previous,
                                             Deadline idle) {
  Remote<std::optional<Attempt>> remote(here);
  loop_.post_call([core = core_.get(), lease, previous = std::move(previous), idle,
                   promise = remote.promise()]() mutable {
    core->next(lease, std::move(previous), std::move(promise), idle);
  });
  co_await remote.answered(Deadline::never());
  Result<std::optional<Attempt>> answer = remote.take();
  if (!answer.ok()) co_return std::nullopt;
  co_return std::move(*answer);
}

void MailQueue::end(LeaseId lease, LeaseEnd how, Reply failure, std::optional<AttemptResult> last) {
  loop_.post_call([core = core_.get(), lease, how, failure = std::move(failure),
                   last = std::move(last)]() mutable { core->end(lease, how, failure, std::move(last)); });
}

}  // namespace veredus
