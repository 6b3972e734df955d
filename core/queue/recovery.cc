// At start: everything unfinished is taken over from the spool, with what was known of each recipient.
#include "log/events.h"
#include "queue/queue_core.h"

namespace veredus::queue_detail {

namespace {

constexpr uint32_t kMostRoutingAtStart = 1000;

}  // namespace

Task<Status> QueueCore::recover() {
  MonoTime begun = loop_.clock().mono();
  std::function<bool(const StoredMessage&)> visit = [this](const StoredMessage& stored) {
    adopt(stored);
    return true;
  };
  Status status = co_await spool_.scan(loop_, std::move(visit));
  Millis taken = loop_.clock().mono() - begun;
  log_.write(events::kQueueLoaded,
             {{"messages", counts_.messages}, {"recipients", counts_.queued}, {"ms", taken.count()}});
  co_return status;
}

void QueueCore::adopt(const StoredMessage& stored) {
  const Envelope& envelope = *stored.envelope;
  if (by_id_.find(mixed(envelope.id.value), [&](Index i) { return messages_[i].id == envelope.id; }) != kNone)
    return;
  std::vector<Pending> pending;
  std::vector<uint32_t> held;
  bool warned = false;
  for (uint32_t i = 0; i < stored.recipients.size(); ++i) {
    const RecipientStatus& status = stored.recipients[i];
    if (is_final(status.state)) continue;
    warned = warned || status.delay_warned;
    if (status.state == RecipientState::held)
      held.push_back(i);
    else
      pending.push_back(pending_of(i, status));
  }
  if (held.empty() && pending.empty()) return;
  Index message = take_message(envelope, stored.size, static_cast<uint32_t>(held.size() + pending.size()));
  messages_[message].delay_warned = warned;
  if (!held.empty()) {
    counts_.held += held.size();
    items_[new_item(message, std::move(held), 0)].state = ItemState::held;
  }
  if (pending.empty()) return;
  watch(message, pending[0].attempts == 0);
  if (routing_ < kMostRoutingAtStart)
    scope_.spawn(route_message(message, stored.envelope, nullptr, std::move(pending)));
  else
    route_when_due(message, std::move(pending));
}

Pending QueueCore::pending_of(uint32_t recipient, const RecipientStatus& status) const {
  Pending out;
  out.recipient = recipient;
  out.attempts = status.attempts;
  // A clock that was wrong must not keep a message for longer than the longest interval.
  Millis most = RetryPlan::base(settings_->queue, UINT32_MAX) * 2;
  MonoTime due = std::min(mono_of(status.next_attempt), loop_.now() + most);
  if (due > loop_.now()) out.due = due;
  return out;
}

// Routing is slow (a hook waits for something): these are routed one after the other.
void QueueCore::route_when_due(Index message, std::vector<Pending> pending) {
  for (const Pending& member : pending) {
    Index item = new_item(message, {member.recipient}, member.attempts);
    schedule(item, std::max(member.due, loop_.now()));
  }
}

}  // namespace veredus::queue_detail
