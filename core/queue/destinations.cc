// Destinations: found by name, backing off after connection failures, forgotten when nothing refers to them.
#include "log/events.h"
#include "queue/queue_core.h"

namespace veredus::queue_detail {

namespace {

constexpr size_t kMostRecorded = 1000;  // waiting items whose state is written after a failure
constexpr size_t kKeptUnused = 4096;
constexpr size_t kKeptDestinations = 256;
constexpr int kSweptPerTurn = 16;
constexpr uint32_t kMostFailing = 64;
constexpr Millis kMostSpacing{1000};
constexpr uint32_t kFirstWindow = 5;

}  // namespace

Index QueueCore::destination_for(const std::shared_ptr<const Destination>& to) {
  auto [place, fresh] = by_name_.try_emplace(to->name, kNone);
  if (!fresh) {
    destinations_[place->second].to = to;
    return place->second;
  }
  Index index = place->second = destinations_.take();
  DestinationRecord& destination = destinations_[index];
  destination.to = to;
  for (const auto& [pattern, by] : suspensions_)
    if (matches_destination(pattern, *to)) destination.suspended_by = by;
  return index;
}

void QueueCore::mark(Index index) {
  if (std::exchange(destinations_[index].dirty, true)) return;
  dirty_.push_back(index);
}

void QueueCore::connected(Index index) {
  DestinationRecord& destination = destinations_[index];
  --destination.opening;
  ++destination.connected;
  destination.window = std::max(destination.window + 1, kFirstWindow);
}

// Something was said about a message: the destination is alive.
void QueueCore::works(Index index) {
  DestinationRecord& destination = destinations_[index];
  if (destination.level == 0) return;
  destination.level = 0;
  destination.not_before = {};
  probes_.erase(index);
  log_.write(events::kDestinationRecovered, {{"destination", destination.to->name}});
  mark(index);
}

// The destination rests as long as queue.retry says for so many failures in a row, but not longer than the
// least tried of its waiting items would.
void QueueCore::failed(Index index, const Reply& failure) {
  DestinationRecord& destination = destinations_[index];
  ++destination.failures;
  ++destination.level;
  destination.window = 1;
  destination.last_failure = loop_.now();
  destination.last_reply = failure;
  int64_t least_tried =
      destination.ready > 0 ? destination.failures - destination.youngest : destination.level;
  uint64_t failures = std::clamp<int64_t>(least_tried, 1, destination.level);
  if (RetryPlan::base(settings_->queue, destination.level) < RetryPlan::base(settings_->queue, failures))
    failures = destination.level;
  destination.not_before = loop_.now() + retry_.wait(settings_->queue, failures);
  probes_.set(index, destination.not_before);
  log_.write(events::kDestinationBackoff, {{"destination", destination.to->name},
                                           {"reply", failure.joined()},
                                           {"failures", destination.level},
                                           {"waiting", destination.ready},
                                           {"next", iso8601(wall_of(destination.not_before))}});
  record_waiting(index);
}

// Addresses are told where the message is in memory, as it is before its first attempt.
void QueueCore::log_waiting(Index index, const DestinationRecord& destination) {
  if (!log_.wants(events::kRecipientDeferred.severity)) return;
  const ItemRecord& item = items_[index];
  const MessageRecord& message = messages_[item.message];
  std::string id = message.id.text(), reply = destination.last_reply.joined(), next = iso8601(wall_of(destination.not_before));
  for (uint32_t recipient : item.recipients.list()) {
    std::string_view address;
    if (message.resident != kNone && residents_[message.resident].message)
      address = residents_[message.resident].message->envelope.recipients[recipient].address.text();
    log_.write(events::kRecipientDeferred, {{"id", id},
                                            {"recipient", address},
                                            {"destination", destination.to->name},
                                            {"remote", ""},
                                            {"reply", reply},
                                            {"attempts", attempts_of(item)},
                                            {"next", next}});
  }
}

// The states of the first waiting items are written and their contents let go. The rest follows from the
// destination's state; after a restart they are simply tried again.
void QueueCore::record_waiting(Index index) {
  const DestinationRecord& destination = destinations_[index];
  for (Index item : ready_.ahead(destination, kMostRecorded)) {
    log_waiting(item, destination);
    drop_user(item);
    for (uint32_t recipient : items_[item].recipients.list()) {
      RecipientStatus status;
      status.next_attempt = wall_of(destination.not_before);
      status.reply = destination.last_reply.joined();
      record_state(item, recipient, std::move(status));
    }
  }
}

// An item joins those that wait. At a resting destination it counts as if refused just now, so it is due
// after one more interval of its own; an item whose own time has come is tried at once, but several of them
// together.
void QueueCore::joined_waiting(Index index, bool was_due) {
  ItemRecord& item = items_[index];
  Index where = ready_.flow(item.flow).key.destination;
  DestinationRecord& destination = destinations_[where];
  item.joined = destination.failures;
  int64_t youth = int64_t{destination.failures} - item.attempts;
  destination.youngest = destination.ready == 1 ? youth : std::max(destination.youngest, youth);
  if (destination.level == 0) return;
  drop_user(index);
  if (was_due) {
    Millis spacing = std::min(kMostSpacing, RetryPlan::base(settings_->queue, 1) / 10);
    return probe_by(where, std::max(loop_.now(), destination.last_failure + spacing));
  }
  probe_by(where, loop_.now() + retry_.wait(settings_->queue, item.attempts + 1u));
}

void QueueCore::probe_by(Index index, MonoTime when) {
  DestinationRecord& destination = destinations_[index];
  destination.not_before = std::min(destination.not_before, when);
  probes_.set(index, destination.not_before);
}

// After waiting at a destination: its failures meanwhile become the item's own attempts.
void QueueCore::count_failures(ItemRecord& item) {
  DestinationRecord& destination = destinations_[ready_.flow(item.flow).key.destination];
  uint32_t missed = destination.failures - item.joined;
  item.attempts = static_cast<uint16_t>(std::min<uint32_t>(item.attempts + missed, UINT16_MAX));
  item.joined = destination.failures;
}

void QueueCore::unready(Index index) {
  ItemRecord& item = items_[index];
  ready_.remove(index);
  count_failures(item);
  mark(ready_.flow(item.flow).key.destination);
}

// No delivery is possible, for good (a null MX, no such domain): all that waits fails, a few at a time.
Task<void> QueueCore::fail_waiting(uint64_t handle, Reply failure) {
  Index index = destinations_.find(handle);
  if (index == kNone || std::exchange(destinations_[index].failing, true)) co_return;
  while (destinations_[index].ring != kNone) {
    while (reporting_ < kMostFailing && destinations_[index].ring != kNone) fail_one(index, failure);
    co_await sleep_for(loop_, Millis(1));
  }
  destinations_[index].failing = false;
  mark(index);
}

void QueueCore::fail_one(Index index, const Reply& failure) {
  Index item = ready_.pick(destinations_[index], [](Index) { return Choice::take; });
  if (item == kNone) return;
  count_failures(items_[item]);
  items_[item].state = ItemState::reporting;
  std::vector<RecipientOutcome> outcomes;
  for (uint32_t recipient : items_[item].recipients.list()) {
    outcomes.emplace_back();
    outcomes.back().recipient = recipient;
    outcomes.back().reply = failure;
  }
  scope_.spawn(report_failed(items_.handle(item), nullptr, std::move(outcomes)));
}

void QueueCore::sweep_later(Index flow) {
  if (std::exchange(ready_.flow(flow).swept, true)) return;
  swept_flows_.push_back(ready_.flows().handle(flow));
}

// Flows and destinations without items are kept for a while, because the next message often wants them again.
void QueueCore::sweep() {
  while (swept_flows_.size() > kKeptUnused) {
    Index index = ready_.flows().find(swept_flows_.front());
    swept_flows_.pop_front();
    Flow& flow = ready_.flow(index);
    flow.swept = false;
    if (flow.users > 0) continue;
    Index destination = flow.key.destination;
    end_pass(flow.pass);
    if (flow.limits) limits_->drop(*flow.limits);
    ready_.drop_flow(index);
    if (destinations_[destination].flows == 0 && !std::exchange(destinations_[destination].swept, true))
      swept_destinations_.push_back(destination);
  }
  for (int i = 0; i < kSweptPerTurn && swept_destinations_.size() > kKeptDestinations; ++i)
    sweep_destination();
}

void QueueCore::sweep_destination() {
  Index index = swept_destinations_.front();
  swept_destinations_.pop_front();
  DestinationRecord& destination = destinations_[index];
  bool rests = destination.level > 0 && loop_.now() < destination.not_before;
  if (destination.flows == 0 && (destination.leases > 0 || rests || destination.failing || destination.dirty))
    return swept_destinations_.push_back(index);
  destination.swept = false;
  if (destination.flows > 0) return;
  probes_.erase(index);
  end_pass(destination.pass);
  by_name_.erase(destination.to->name);
  destinations_.give_back(index);
}

}  // namespace veredus::queue_detail
