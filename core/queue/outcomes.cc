// What became of an attempt: final states, retries, holds; reports are made before a failure becomes final.
#include "log/events.h"
#include "queue/queue_core.h"

namespace veredus::queue_detail {

namespace {

constexpr uint8_t kMostReturns = 3;  // untried, one after the other, before the item waits

struct FinalState {
  const EventDef* event;
  uint64_t QueueCounters::*count;
};

FinalState final_state(RecipientState state) {
  switch (state) {
    case RecipientState::delivered:
      return {&events::kRecipientDelivered, &QueueCounters::delivered};
    case RecipientState::expired:
      return {&events::kRecipientExpired, &QueueCounters::expired};
    case RecipientState::discarded:
      return {&events::kRecipientDiscarded, &QueueCounters::discarded};
    case RecipientState::removed:
      return {&events::kRecipientRemoved, &QueueCounters::removed};
    default:
      return {&events::kRecipientBounced, &QueueCounters::bounced};
  }
}

std::vector<uint32_t> recipients_of(const std::vector<RecipientOutcome>& outcomes) {
  std::vector<uint32_t> out;
  for (const RecipientOutcome& outcome : outcomes) out.push_back(outcome.recipient);
  return out;
}

}  // namespace

// The lease has nothing in hand any more; what the item held under limits is given back.
Index QueueCore::release_item(Index lease_index) {
  LeaseRecord& lease = leases_[lease_index];
  release_counters(lease.item_counters, 0);
  lease.message.reset();
  --destinations_[lease.destination].in_hand;
  --in_hand_;
  mark(lease.destination);
  return std::exchange(lease.item, kNone);
}

void QueueCore::apply_result(Index lease_index, AttemptResult result) {
  LeaseRecord& lease = leases_[lease_index];
  if (lease.item == kNone || items_.find(result.item) != lease.item) return;
  MessagePtr message = lease.message;
  bool reached = std::any_of(result.outcomes.begin(), result.outcomes.end(),
                             [](const RecipientOutcome& o) { return o.outcome != Outcome::not_tried; });
  if (reached) {
    ++lease.progress;
    works(lease.destination);
  }
  Index item = release_item(lease_index);
  if (!reached || !message) return give_back_untried(item, message);
  sort_outcomes(item, result, message);
}

QueueCore::Sorted QueueCore::sorted(Index item, AttemptResult& result) {
  Sorted out;
  std::vector<uint32_t> left = items_[item].recipients.list();
  for (RecipientOutcome& outcome : result.outcomes) {
    auto place = std::find(left.begin(), left.end(), outcome.recipient);
    if (place == left.end() || outcome.outcome == Outcome::not_tried) continue;
    left.erase(place);
    bool soft = outcome.outcome == Outcome::permanent && settings_->queue.soft_bounce;
    switch (soft ? Outcome::temporary : outcome.outcome) {
      case Outcome::permanent:
        out.failed.push_back(std::move(outcome));
        break;
      case Outcome::held:
        out.held.push_back(std::move(outcome));
        break;
      case Outcome::rerouted:
        out.moved.push_back(std::move(outcome));
        break;
      case Outcome::temporary:
        out.deferred.push_back(std::move(outcome));
        break;
      default:
        out.done.push_back(std::move(outcome));
    }
  }
  out.untried = std::move(left);
  return out;
}

// Each sort of outcome that leaves recipients open gets an item of its own; the first takes the one there is.
// All are made before any is acted on, because that may end it.
void QueueCore::sort_outcomes(Index item, AttemptResult& result, const MessagePtr& message) {
  Index owner = items_[item].message;
  items_[item].returns = 0;
  Sorted sort = sorted(item, result);
  finish_done(item, sort.done, message);
  bool taken = false;
  Index failed = part_of(item, recipients_of(sort.failed), &taken);
  Index held = part_of(item, recipients_of(sort.held), &taken);
  Index moved = part_of(item, recipients_of(sort.moved), &taken);
  Index untried = part_of(item, std::move(sort.untried), &taken);
  Index deferred = part_of(item, recipients_of(sort.deferred), &taken);
  if (!taken) drop_item(item);
  if (failed != kNone) {
    items_[failed].state = ItemState::reporting;
    scope_.spawn(report_failed(items_.handle(failed), message, std::move(sort.failed)));
  }
  if (held != kNone) {
    hold_item(held, sort.held[0].reply.joined(), sort.held[0].remote);
    log_.write(events::kMessageHeld,
               {{"id", message->envelope.id.text()}, {"reason", sort.held[0].reply.joined()}});
  }
  if (moved != kNone && !obey_order(moved, message->envelope)) {
    items_[moved].state = ItemState::routing;
    scope_.spawn(move_item(items_.handle(moved), message, std::move(sort.moved)));
  }
  if (untried != kNone && !obey_order(untried, message->envelope)) make_ready(untried, true, true);
  if (deferred != kNone && !obey_order(deferred, message->envelope))
    defer(deferred, message->envelope, sort.deferred);
  close_message(owner);
}

Index QueueCore::part_of(Index item, std::vector<uint32_t> recipients, bool* taken) {
  if (recipients.empty()) return kNone;
  if (!std::exchange(*taken, true)) {
    items_[item].recipients.assign(recipients);
    return item;
  }
  return split_off(item, std::move(recipients));
}

// A second item like the first, for recipients that the caller takes out of the first.
Index QueueCore::split_off(Index item, std::vector<uint32_t> recipients) {
  Index part = new_item(items_[item].message, std::move(recipients), items_[item].attempts);
  const ItemRecord& from = items_[item];
  ItemRecord& to = items_[part];
  to.flow = from.flow;
  if (to.flow != kNone) ++ready_.flow(to.flow).users;
  to.joined = from.joined;
  to.routed = from.routed;
  to.state = from.state;
  if (from.ordered)
    for (const Order& order : Orders(orders_[items_.handle(item)])) give_order(part, order);
  return part;
}

void QueueCore::give_back_untried(Index index, const MessagePtr& message) {
  ItemRecord& item = items_[index];
  Index owner = item.message;
  if (message && obey_order(index, message->envelope)) return close_message(owner);
  if (++item.returns <= kMostReturns) return make_ready(index, true, true);
  item.returns = 0;
  schedule(index, loop_.now() + RetryPlan::base(settings_->queue, 1));
}

void QueueCore::defer(Index index, const Envelope& envelope, const std::vector<RecipientOutcome>& outcomes) {
  ItemRecord& item = items_[index];
  if (item.attempts < UINT16_MAX) ++item.attempts;
  MonoTime due = loop_.now() + retry_.wait(settings_->queue, item.attempts);
  for (const RecipientOutcome& outcome : outcomes) {
    if (!item.recipients.has(outcome.recipient)) continue;  // an administrator's order took it
    RecipientStatus status;
    status.next_attempt = wall_of(due);
    status.reply = outcome.reply.joined();
    if (log_.wants(events::kRecipientDeferred.severity))
      log_.write(events::kRecipientDeferred,
                 {{"id", envelope.id.text()},
                  {"recipient", envelope.recipients[outcome.recipient].address.text()},
                  {"destination", destination_name(item)},
                  {"remote", outcome.remote},
                  {"reply", status.reply},
                  {"attempts", item.attempts},
                  {"next", iso8601(status.next_attempt)}});
    record_state(index, outcome.recipient, std::move(status));
  }
  schedule(index, due);
}

void QueueCore::schedule(Index index, MonoTime when) {
  items_[index].state = ItemState::scheduled;
  schedule_.set(index, when);
  drop_user(index);
  came_back(index);
}

void QueueCore::make_ready(Index index, bool in_front, bool was_due) {
  ItemRecord& item = items_[index];
  if (item.flow == kNone) return route_later(index);
  item.state = ItemState::ready;
  ready_.push(index, in_front);
  if (ready_.flow(item.flow).ready == 1) look_again(ready_.flow(item.flow).key.destination);
  joined_waiting(index, was_due);
  mark(ready_.flow(item.flow).key.destination);
  came_back(index);
}

// An age limit that passed while somebody had the item is looked at now.
void QueueCore::came_back(Index index) {
  Index message = items_[index].message;
  if (std::exchange(messages_[message].expired, false)) watches_.set(message, loop_.now());
  if (items_[index].ordered) scope_.spawn(obey_later(items_.handle(index)));
}

void QueueCore::hold_item(Index index, const std::string& reason, const std::string& by) {
  ItemRecord& item = items_[index];
  item.state = ItemState::held;
  drop_user(index);
  leave_flow(index);
  std::vector<uint32_t> recipients = item.recipients.list();
  counts_.held += recipients.size();
  for (uint32_t recipient : recipients) {
    RecipientStatus status;
    status.state = RecipientState::held;
    status.reply = reason;
    status.rule = by;
    record_state(index, recipient, std::move(status));
  }
  if (items_[index].ordered) scope_.spawn(obey_later(items_.handle(index)));
}

Task<void> QueueCore::report_failed(uint64_t handle, MessagePtr message,
                                    std::vector<RecipientOutcome> failed) {
  Index item = items_.find(handle);
  Index owner = items_[item].message;
  ++reporting_;
  Status reported;
  if (!message) {
    Result<MessagePtr> loaded = co_await load_content(owner);
    if (loaded.ok())
      message = *loaded;
    else
      reported = loaded.error();
  }
  if (message) {
    std::vector<ReportedRecipient> recipients;
    for (const RecipientOutcome& outcome : failed)
      recipients.push_back({outcome.recipient, outcome.reply, outcome.remote, {}});
    reported = co_await reporter_->report(message, ReportKind::failure, std::move(recipients));
  }
  --reporting_;
  if (!reported.ok()) {
    report_not_made(item, reported.error(), message, failed);
    co_return;
  }
  if (items_[item].attempts < UINT16_MAX) ++items_[item].attempts;
  for (RecipientOutcome& outcome : failed) {
    Ending ending{RecipientState::bounced, std::move(outcome.reply), std::move(outcome.remote), {}, std::move(outcome.tls)};
    finish(item, message->envelope, outcome.recipient, ending);
  }
  drop_item(item);
  close_message(owner);
}

// Without its report a failure is not final: the recipients stay and are tried again.
void QueueCore::report_not_made(Index item, const Error& error, const MessagePtr& message,
                                const std::vector<RecipientOutcome>& failed) {
  log_.write(events::kBounceFailed,
             {{"id", messages_[items_[item].message].id.text()}, {"reason", error.text}});
  if (message) {
    Index owner = items_[item].message;
    if (!obey_order(item, message->envelope)) defer(item, message->envelope, failed);
    return close_message(owner);
  }
  if (hold_if_lost({items_.handle(item)}, error)) return;
  schedule(item, loop_.now() + RetryPlan::base(settings_->queue, 1));
}

Task<void> QueueCore::report_success(MessagePtr message, ReportKind kind,
                                     std::vector<ReportedRecipient> recipients) {
  ++reporting_;
  MessageId id = message->envelope.id;
  Status reported = co_await reporter_->report(std::move(message), kind, std::move(recipients));
  --reporting_;
  if (!reported.ok())
    log_.write(events::kBounceFailed, {{"id", id.text()}, {"reason", reported.error().text}});
}

void QueueCore::finish_done(Index item, std::vector<RecipientOutcome>& done, const MessagePtr& message) {
  if (done.empty()) return;
  const Envelope& envelope = message->envelope;
  std::vector<ReportedRecipient> told;
  uint16_t before = items_[item].attempts;
  if (before < UINT16_MAX) ++items_[item].attempts;
  for (RecipientOutcome& outcome : done) {
    bool delivered = outcome.outcome == Outcome::delivered;
    uint8_t notify = envelope.recipients[outcome.recipient].notify;
    if (delivered && (notify & kNotifySuccess) && !(notify & kNotifyNever) && !outcome.dsn_relayed)
      told.push_back({outcome.recipient, outcome.reply, outcome.remote, {}});
    Ending ending{delivered ? RecipientState::delivered : RecipientState::discarded,
                  std::move(outcome.reply),
                  std::move(outcome.remote),
                  {},
                  std::move(outcome.tls)};
    ending.rule = delivered ? std::string() : ending.remote;
    finish(item, envelope, outcome.recipient, ending);
  }
  items_[item].attempts = before;
  if (told.empty()) return;
  Index flow = items_[item].flow;
  bool final_hop = flow != kNone && destinations_[ready_.flow(flow).key.destination].to->lmtp;
  scope_.spawn(
      report_success(message, final_hop ? ReportKind::success : ReportKind::relayed, std::move(told)));
}

// The one way into a final state. The recipient leaves its item by the caller's hand.
void QueueCore::finish(Index index, const Envelope& envelope, uint32_t recipient, const Ending& ending) {
  const ItemRecord& item = items_[index];
  MessageRecord& message = messages_[item.message];
  FinalState final = final_state(ending.state);
  ++(counts_.*final.count);
  --counts_.queued;
  --message.open;
  if (item.state == ItemState::held) --counts_.held;
  RecipientStatus status;
  status.state = ending.state;
  status.reply = ending.reply.joined();
  status.rule = ending.rule.empty() ? ending.remote : ending.rule;
  if (log_.wants(final.event->severity)) {
    Millis delay = loop_.clock().wall() - message.arrived;
    log_.write(*final.event, {{"id", message.id.text()},
                              {"recipient", envelope.recipients[recipient].address.text()},
                              {"sender", envelope.sender.text()},
                              {"tenant", envelope.tenant},
                              {"destination", destination_name(item)},
                              {"remote", ending.remote},
                              {"tls", ending.tls},
                              {"reply", status.reply},
                              {"attempts", attempts_of(item)},
                              {"delay", delay.count()},
                              {"by", ending.rule}});
  }
  if (on_finished_)
    on_finished_(FinishedRecipient{envelope, recipient, ending.state, destination_name(item), ending.reply, ending.remote});
  record_state(index, recipient, std::move(status));
}

// When its last recipient is final the message is forgotten; its items are gone by then. A report made at
// once may have got here first.
void QueueCore::close_message(Index index) {
  MessageRecord& message = messages_[index];
  if (message.open > 0 || !message.id) return;
  if (log_.wants(events::kMessageFinished.severity)) {
    Millis delay = loop_.clock().wall() - message.arrived;
    log_.write(events::kMessageFinished,
               {{"id", message.id.text()}, {"size", message.size}, {"delay", delay.count()}});
  }
  watches_.erase(index);
  drop_resident(index);
  by_id_.erase(index, [this](Index i) { return mixed(messages_[i].id.value); });
  names_.drop(message.tenant);
  names_.drop(message.sender_domain);
  messages_.give_back(index);
  --counts_.messages;
}

void QueueCore::record_state(Index index, uint32_t recipient, RecipientStatus status) {
  const ItemRecord& item = items_[index];
  const MessageRecord& message = messages_[item.message];
  status.attempts = attempts_of(item);
  status.delay_warned = message.delay_warned;
  changes_.push_back({message.id, recipient, std::move(status)});
}

std::string_view QueueCore::destination_name(const ItemRecord& item) const {
  return item.flow == kNone ? std::string_view()
                            : destinations_[ready_.flow(item.flow).key.destination].to->name;
}

// Failures of the destination while the item waited count as its own.
uint16_t QueueCore::attempts_of(const ItemRecord& item) const {
  if (item.state != ItemState::ready) return item.attempts;
  uint32_t missed = destinations_[ready_.flow(item.flow).key.destination].failures - item.joined;
  return static_cast<uint16_t>(std::min<uint32_t>(item.attempts + missed, UINT16_MAX));
}

}  // namespace veredus::queue_detail
