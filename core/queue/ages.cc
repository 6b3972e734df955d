// Time: items that are due, destinations to be tried again, and messages that have become too old, in
// whatever state their items are. Only held recipients do not age: they wait for a person.
#include "log/events.h"
#include "queue/queue_core.h"
#include "smtp/reply_parser.h"

namespace veredus::queue_detail {

namespace {

constexpr int kMostPerTurn = 512;
constexpr uint32_t kMostAgeing = 64;
constexpr Millis kMostChance{10'000};
constexpr Millis kLookAgain{1000};

// The text of a recorded reply as a reply again.
Reply reply_of(const std::string& text) {
  Reply reply = reply_from_text(text);
  if (reply.code == 0) reply.code = 451;
  if (reply.lines[0].empty()) reply.lines[0] = "not tried yet";
  return reply;
}

}  // namespace

MonoTime QueueCore::mono_of(WallTime when) const {
  return loop_.now() + (when - loop_.clock().wall());
}
WallTime QueueCore::wall_of(MonoTime when) const {
  return loop_.clock().wall() + (when - loop_.now());
}

Millis QueueCore::lifetime(const MessageRecord& message) const {
  return message.null_sender ? settings_->queue.expire_bounce : settings_->queue.expire;
}

void QueueCore::timer_fired(void* self) {
  auto* core = static_cast<QueueCore*>(self);
  core->armed_ = MonoTime::max();
  core->on_time();
}

// Bounded: what is left is for the next turn.
void QueueCore::on_time() {
  MonoTime now = loop_.now();
  limits_->on_time(now);
  for (int i = 0; i < kMostPerTurn && idle_.first_time() <= now; ++i) close_idle(idle_.first());
  for (int i = 0; i < kMostPerTurn && probes_.first_time() <= now; ++i) {
    mark(probes_.first());
    probes_.erase(probes_.first());
  }
  for (int i = 0; i < kMostPerTurn && watches_.first_time() <= now && ageing_ < kMostAgeing; ++i) {
    Index message = watches_.first();
    watches_.erase(message);
    too_old(message);
  }
  for (int i = 0; i < kMostPerTurn && schedule_.first_time() <= now; ++i) {
    Index item = schedule_.first();
    schedule_.erase(item);
    item_due(item);
  }
}

void QueueCore::item_due(Index index) {
  ItemRecord& item = items_[index];
  if (item.flow == kNone || item.routed != routes_generation_) return route_later(index);
  make_ready(index, false, true);
}

// `give_a_chance`: a message just released or found at start gets time for an attempt, however old it is.
void QueueCore::watch(Index index, bool give_a_chance) {
  const MessageRecord& message = messages_[index];
  MonoTime end = mono_of(message.arrived + lifetime(message));
  Millis chance = std::min(RetryPlan::base(settings_->queue, 1), kMostChance);
  if (give_a_chance && end < loop_.now() + chance) return watches_.set(index, loop_.now() + chance);
  if (settings_->queue.delay_warning > Millis(0) && !message.null_sender && !message.delay_warned)
    end = std::min(end, mono_of(message.arrived + settings_->queue.delay_warning));
  watches_.set(index, end);
}

bool QueueCore::is_expired(const MessageRecord& message) const {
  return loop_.clock().wall() >= message.arrived + lifetime(message);
}

bool QueueCore::warning_due(const MessageRecord& message) const {
  Millis after = settings_->queue.delay_warning;
  return after > Millis(0) && !message.null_sender && !message.delay_warned &&
         loop_.clock().wall() >= message.arrived + after;
}

void QueueCore::too_old(Index index) {
  MessageRecord& message = messages_[index];
  if (message.watched) return;  // its coroutine looks again
  bool expired = is_expired(message);
  if (!expired && !warning_due(message)) return watch(index, false);
  bool waits = false, away = message.first_item == kNone;
  for (Index i = message.first_item; i != kNone; i = items_[i].sibling) {
    ItemState state = items_[i].state;
    waits = waits || state == ItemState::ready || state == ItemState::scheduled;
    away =
        away || state == ItemState::routing || state == ItemState::in_hand || state == ItemState::reporting;
  }
  message.expired = expired && away;
  if (!waits && !expired && away) watches_.set(index, loop_.now() + kLookAgain);
  if (!waits) return;
  message.watched = true;
  ++ageing_;
  if (expired)
    scope_.spawn(expire(messages_.handle(index), take_waiting(index)));
  else
    scope_.spawn(warn(messages_.handle(index)));
}

// Items that nobody has in hand, taken out of queue and schedule.
std::vector<uint64_t> QueueCore::take_waiting(Index message) {
  std::vector<uint64_t> taken;
  for (Index i = messages_[message].first_item; i != kNone; i = items_[i].sibling) {
    ItemRecord& item = items_[i];
    if (item.state == ItemState::ready)
      unready(i);
    else if (item.state == ItemState::scheduled)
      schedule_.erase(i);
    else
      continue;
    item.state = ItemState::reporting;
    taken.push_back(items_.handle(i));
  }
  return taken;
}

std::vector<ReportedRecipient> QueueCore::with_last_replies(const std::vector<uint64_t>& items,
                                                            const StoredMessage& stored,
                                                            WallTime retry_until) const {
  std::vector<ReportedRecipient> out;
  for (uint64_t handle : items) {
    const ItemRecord& item = items_[items_.find(handle)];
    const DestinationRecord* resting = nullptr;
    if (item.flow != kNone) resting = &destinations_[ready_.flow(item.flow).key.destination];
    for (uint32_t recipient : item.recipients.list()) {
      ReportedRecipient told;
      told.recipient = recipient;
      told.will_retry_until = retry_until;
      told.reply =
          resting && resting->level > 0 ? resting->last_reply : reply_of(stored.recipients[recipient].reply);
      out.push_back(std::move(told));
    }
  }
  return out;
}

// The message stays: its items, in state reporting, belong to this coroutine.
Task<void> QueueCore::expire(uint64_t handle, std::vector<uint64_t> items) {
  Index index = messages_.find(handle);
  MessageId id = messages_[index].id;
  Status reported;
  Result<StoredMessage> stored = co_await spool_.find(loop_, id);
  Result<MessagePtr> content = co_await load_content(index);
  std::vector<ReportedRecipient> recipients;
  if (!stored.ok()) {
    reported = stored.error();
  } else if (!content.ok()) {
    reported = content.error();
  } else {
    recipients = with_last_replies(items, *stored, {});
    reported = co_await reporter_->report(*content, ReportKind::expired, recipients);
  }
  --ageing_;
  messages_[index].watched = false;
  if (!reported.ok()) {
    bool lost = !content.ok() && hold_if_lost(items, content.error());
    if (lost)
      watch(index, false);
    else
      expiry_not_reported(index, items, reported.error());
    co_return;
  }
  std::unordered_map<uint32_t, Reply*> replies;
  for (ReportedRecipient& told : recipients) replies[told.recipient] = &told.reply;
  for (uint64_t item_handle : items) {
    Index item = items_.find(item_handle);
    for (uint32_t recipient : items_[item].recipients.list()) {
      Ending ending{RecipientState::expired, std::move(*replies[recipient]), {}, "queue.expire"};
      finish(item, stored->envelope ? *stored->envelope : (*content)->envelope, recipient, ending);
    }
    drop_item(item);
  }
  if (messages_[index].open > 0) watch(index, false);
  close_message(index);
}

bool QueueCore::ageing_is_full() const {
  return ageing_ >= kMostAgeing;
}

// A message that can never be read back can neither be sent nor returned: a person must look at it.
bool QueueCore::hold_if_lost(const std::vector<uint64_t>& items, const Error& error) {
  if (error.code != Errc::corrupt && error.code != Errc::not_found) return false;
  for (uint64_t item : items) hold_item(items_.find(item), "554 5.3.0 the stored message cannot be read", "spool");
  return true;
}

void QueueCore::expiry_not_reported(Index index, const std::vector<uint64_t>& items, const Error& error) {
  log_.write(events::kBounceFailed, {{"id", messages_[index].id.text()}, {"reason", error.text}});
  MonoTime again =
      loop_.now() + std::clamp(RetryPlan::base(settings_->queue, 1), Millis(1000), Millis(300'000));
  for (uint64_t item : items) schedule(items_.find(item), again);
  watches_.set(index, again);
}

Task<void> QueueCore::warn(uint64_t handle) {
  Index index = messages_.find(handle);
  MessageId id = messages_[index].id;
  Result<StoredMessage> stored = co_await spool_.find(loop_, id);
  Result<MessagePtr> content = fail(Errc::not_found, "the message is gone");
  if (messages_.find(handle) != kNone) content = co_await load_content(index);
  Status reported;
  bool told = false;
  if (stored.ok() && content.ok() && messages_.find(handle) != kNone) {
    WallTime until = messages_[index].arrived + lifetime(messages_[index]);
    std::vector<ReportedRecipient> recipients = with_last_replies(waiting_items(index), *stored, until);
    told = !recipients.empty();
    if (told) reported = co_await reporter_->report(*content, ReportKind::delay, std::move(recipients));
  } else {
    reported = stored.ok() ? content.ok() ? Status() : Status(content.error()) : Status(stored.error());
  }
  --ageing_;
  if (messages_.find(handle) == kNone) co_return;
  messages_[index].watched = false;
  if (!reported.ok()) {
    log_.write(events::kBounceFailed, {{"id", id.text()}, {"reason", reported.error().text}});
    watches_.set(
        index, loop_.now() + std::clamp(RetryPlan::base(settings_->queue, 1), Millis(1000), Millis(300'000)));
    co_return;
  }
  if (told)
    warned(index, *stored);
  else  // an attempt took the last item while the message was read
    watches_.set(index, loop_.now() + kLookAgain);
}

std::vector<uint64_t> QueueCore::waiting_items(Index message) const {
  std::vector<uint64_t> out;
  for (Index i = messages_[message].first_item; i != kNone; i = items_[i].sibling)
    if (items_[i].state == ItemState::ready || items_[i].state == ItemState::scheduled)
      out.push_back(items_.handle(i));
  return out;
}

void QueueCore::warned(Index index, const StoredMessage& stored) {
  messages_[index].delay_warned = true;
  log_.write(events::kRecipientDelayed,
             {{"id", messages_[index].id.text()}, {"sender", stored.envelope->sender.text()}});
  for (uint64_t handle : waiting_items(index)) {
    Index item = items_.find(handle);
    for (uint32_t recipient : items_[item].recipients.list()) {
      RecipientStatus status = stored.recipients[recipient];
      if (items_[item].state == ItemState::scheduled) status.next_attempt = wall_of(schedule_.time_of(item));
      record_state(item, recipient, std::move(status));
    }
  }
  watch(index, false);
}

}  // namespace veredus::queue_detail
