// Queue commands: found by filter in bounded steps, looked up in the spool where addresses are needed,
// applied item by item.
#include "log/events.h"
#include "queue/filter.h"
#include "queue/queue_core.h"

namespace veredus::queue_detail {

namespace {

constexpr Index kScannedPerTurn = 8192;
constexpr uint32_t kActedPerTurn = 256;

bool needs_addresses(const QueueFilter& filter) {
  return !filter.sender.empty() || !filter.recipient.empty() || !filter.domain.empty() ||
         !filter.destination.empty();
}

}  // namespace

// Judged by what is in memory; what needs the envelope is judged later.
bool QueueCore::may_match(const QueueFilter& filter, const MessageRecord& message) const {
  if (!message.id || message.id <= filter.after) return false;
  if (!filter.tenant.empty() && names_.text(message.tenant) != filter.tenant) return false;
  Millis age = loop_.clock().wall() - message.arrived;
  if (filter.older_than > Millis(0) && age <= filter.older_than) return false;
  if (filter.younger_than > Millis(0) && age >= filter.younger_than) return false;
  if (!filter.state && filter.destination.empty() && filter.domain.empty()) return true;
  if (message.first_item == kNone) return filter.destination.empty();  // being routed
  for (Index i = message.first_item; i != kNone; i = items_[i].sibling)
    if (item_may_match(filter, items_[i])) return true;
  return false;
}

bool QueueCore::item_may_match(const QueueFilter& filter, const ItemRecord& item) const {
  if (filter.state &&
      *filter.state != (item.state == ItemState::held ? RecipientState::held : RecipientState::queued))
    return false;
  if (item.flow == kNone) return true;
  const FlowKey& key = ready_.flow(item.flow).key;
  std::string_view domain = names_.text(key.domain);
  const Destination& destination = *destinations_[key.destination].to;
  if (!filter.destination.empty() && !matches_destination(filter.destination, destination) &&
      !domain.empty() && !matches_name(filter.destination, domain))
    return false;
  return filter.domain.empty() || domain.empty() || matches_name(filter.domain, domain);
}

bool QueueCore::matches(const QueueFilter& filter, const ItemRecord& item, const Envelope& envelope,
                        uint32_t recipient) const {
  const Address& address = envelope.recipients[recipient].address;
  if (!item_may_match(filter, item)) return false;
  if (!filter.recipient.empty() && !matches_address(filter.recipient, address.text())) return false;
  if (!filter.domain.empty() && !matches_name(filter.domain, address.domain())) return false;
  if (filter.destination.empty()) return true;
  bool by_name =
      item.flow != kNone &&
      matches_destination(filter.destination, *destinations_[ready_.flow(item.flow).key.destination].to);
  return by_name || matches_name(filter.destination, address.domain());
}

Index QueueCore::find_message(MessageId id) const {
  return by_id_.find(mixed(id.value), [&](Index i) { return messages_[i].id == id; });
}

Task<MergedIds> QueueCore::candidates(QueueFilter filter) {
  MergedIds found;
  if (!filter.ids.empty()) {
    std::sort(filter.ids.begin(), filter.ids.end());
    filter.ids.erase(std::unique(filter.ids.begin(), filter.ids.end()), filter.ids.end());
    std::erase_if(filter.ids, [&](MessageId id) {
      Index index = find_message(id);
      return index == kNone || !may_match(filter, messages_[index]);
    });
    found.add(std::move(filter.ids));
    co_return found;
  }
  for (Index from = 0; from < messages_.end(); from += kScannedPerTurn) {
    std::vector<MessageId> piece;
    for (Index i = from; i < std::min(from + kScannedPerTurn, messages_.end()); ++i)
      if (may_match(filter, messages_[i])) piece.push_back(messages_[i].id);
    found.add(std::move(piece));
    if (from + kScannedPerTurn < messages_.end()) co_await sleep_for(loop_, Millis(0));
  }
  co_return found;
}

Task<std::vector<StoredMessage>> QueueCore::list(QueueFilter filter, size_t at_most) {
  std::vector<StoredMessage> out;
  MergedIds ids = co_await candidates(filter);
  for (uint32_t done = 1; !ids.empty() && out.size() < at_most; ++done) {
    MessageId id = ids.take();
    Result<StoredMessage> stored = co_await spool_.find(loop_, id);
    Index message = find_message(id);
    if (stored.ok() && message != kNone && any_matches(filter, message, *stored->envelope)) {
      show_present(message, *stored);
      out.push_back(std::move(*stored));
    }
    if (done % kActedPerTurn == 0) co_await sleep_for(loop_, Millis(0));
  }
  co_return out;
}

bool QueueCore::any_matches(const QueueFilter& filter, Index message, const Envelope& envelope) const {
  if (!may_match(filter, messages_[message])) return false;
  if (!filter.sender.empty() && !matches_address(filter.sender, envelope.sender.text())) return false;
  if (filter.recipient.empty() && filter.domain.empty() && filter.destination.empty()) return true;
  for (Index i = messages_[message].first_item; i != kNone; i = items_[i].sibling)
    for (uint32_t recipient : items_[i].recipients.list())
      if (matches(filter, items_[i], envelope, recipient)) return true;
  auto [first, last] = batches_.equal_range(message);
  return std::any_of(first, last, [&](const auto& entry) {
    const std::vector<Pending>& pending = entry.second->pending;
    return std::any_of(pending.begin(), pending.end(),
                       [&](const Pending& p) { return matches_unrouted(filter, envelope, p.recipient); });
  });
}

// A recipient that is being routed has no item, and no destination but its domain.
bool QueueCore::matches_unrouted(const QueueFilter& filter, const Envelope& envelope, uint32_t recipient) const {
  const Address& address = envelope.recipients[recipient].address;
  if (filter.state && *filter.state != RecipientState::queued) return false;
  if (!filter.recipient.empty() && !matches_address(filter.recipient, address.text())) return false;
  if (!filter.domain.empty() && !matches_name(filter.domain, address.domain())) return false;
  return filter.destination.empty() || matches_name(filter.destination, address.domain());
}

uint64_t QueueCore::order_in_batches(Index message, const Envelope* envelope, const QueueFilter& filter,
                                     QueueAction action, const std::string& by) {
  if (action == QueueAction::release) return 0;
  uint64_t touched = 0;
  auto [first, last] = batches_.equal_range(message);
  for (auto entry = first; entry != last; ++entry) {
    Order order{action, by, {}};
    for (const Pending& member : entry->second->pending)
      if (!envelope || matches_unrouted(filter, *envelope, member.recipient)) order.recipients.push_back(member.recipient);
    if (order.recipients.empty()) continue;
    entry->second->orders.push_back(std::move(order));
    touched = 1;
  }
  return touched;
}

// What the queue knows better than the spool: times, attempts, the destination, a resting destination's reply.
void QueueCore::show_present(Index message, StoredMessage& stored) const {
  stored.destinations.resize(stored.recipients.size());
  for (Index i = messages_[message].first_item; i != kNone; i = items_[i].sibling) {
    const ItemRecord& item = items_[i];
    for (uint32_t recipient : item.recipients.list()) {
      RecipientStatus& status = stored.recipients[recipient];
      stored.destinations[recipient] = destination_name(item);
      status.state = item.state == ItemState::held ? RecipientState::held : RecipientState::queued;
      if (status.state == RecipientState::held) continue;
      status.attempts = attempts_of(item);
      status.rule = destination_name(item);
      status.next_attempt = {};
      if (item.state == ItemState::scheduled && schedule_.has(i))
        status.next_attempt = wall_of(schedule_.time_of(i));
      if (item.state != ItemState::ready) continue;
      const DestinationRecord& destination = destinations_[ready_.flow(item.flow).key.destination];
      if (destination.level == 0) continue;
      status.next_attempt = wall_of(destination.not_before);
      status.reply = destination.last_reply.joined();
    }
  }
}

Task<Result<uint64_t>> QueueCore::act(QueueFilter filter, QueueAction action, std::string by) {
  uint64_t touched = 0;
  if (by.empty()) by = "administrator";
  bool in_memory = action == QueueAction::retry && !needs_addresses(filter);
  MergedIds ids = co_await candidates(filter);
  for (uint32_t done = 1; !ids.empty(); ++done) {
    MessageId id = ids.take();
    EnvelopePtr envelope;
    if (!in_memory) {
      Result<StoredMessage> stored = co_await spool_.find(loop_, id);
      if (stored.ok()) envelope = stored->envelope;
    }
    Index message = find_message(id);
    if (message != kNone && (in_memory || envelope))
      touched += act_on(message, envelope.get(), filter, action, by);
    if (done % kActedPerTurn == 0) co_await sleep_for(loop_, Millis(0));
  }
  co_return touched;
}

// Returns 1 if anything of the message was touched.
uint64_t QueueCore::act_on(Index message, const Envelope* envelope, const QueueFilter& filter,
                           QueueAction action, const std::string& by) {
  if (envelope ? !any_matches(filter, message, *envelope) : !may_match(filter, messages_[message])) return 0;
  MessageId id = messages_[message].id;
  std::vector<Index> items;
  for (Index i = messages_[message].first_item; i != kNone; i = items_[i].sibling) items.push_back(i);
  uint64_t touched = 0;
  for (Index item : items)
    if (act_on_item(item, envelope, filter, action, by)) touched = 1;
  if (batches_.contains(message)) touched |= order_in_batches(message, envelope, filter, action, by);
  if (touched == 0) return 0;
  if (action == QueueAction::release) watch(message, true);
  if (const EventDef* event = event_of(action)) log_.write(*event, {{"id", id.text()}, {"by", by}});
  close_message(message);
  return 1;
}

const EventDef* QueueCore::event_of(QueueAction action) {
  switch (action) {
    case QueueAction::retry:
      return &events::kMessageRetried;
    case QueueAction::hold:
      return &events::kMessageHeld;
    case QueueAction::release:
      return &events::kMessageReleased;
    default:
      return nullptr;  // each recipient's final state is logged
  }
}

bool QueueCore::act_on_item(Index index, const Envelope* envelope, const QueueFilter& filter,
                            QueueAction action, const std::string& by) {
  const ItemRecord& item = items_[index];
  bool held = item.state == ItemState::held;
  if (action == QueueAction::release ? !held
                                     : held && (action == QueueAction::hold || action == QueueAction::retry))
    return false;
  std::vector<uint32_t> matching = item.recipients.list();
  if (envelope)
    std::erase_if(matching, [&](uint32_t r) { return !matches(filter, items_[index], *envelope, r); });
  else if (!item_may_match(filter, item))
    return false;
  if (matching.empty()) return false;
  bool waits = item.state == ItemState::ready || item.state == ItemState::scheduled || held;
  if (!waits) {
    if (action != QueueAction::retry) give_order(index, Order{action, by, std::move(matching)});
    return true;
  }
  carry_out(take_out(index, matching), envelope, action, by);
  return true;
}

// These recipients of a waiting or held item, as an item that nobody else looks at.
Index QueueCore::take_out(Index index, const std::vector<uint32_t>& recipients) {
  ItemState state = items_[index].state;
  if (state == ItemState::held) counts_.held -= recipients.size();
  bool all = recipients.size() == items_[index].recipients.size();
  if (state == ItemState::ready) unready(index);
  if (state == ItemState::scheduled && all) schedule_.erase(index);
  Index part = all ? index : separate(index, recipients);
  if (!all && state == ItemState::ready) make_ready(index, true, false);
  items_[part].state = ItemState::reporting;
  return part;
}

// These recipients leave the item for one of their own.
Index QueueCore::separate(Index index, const std::vector<uint32_t>& recipients) {
  std::vector<uint32_t> rest = items_[index].recipients.list();
  std::erase_if(rest, [&](uint32_t r) { return std::find(recipients.begin(), recipients.end(), r) != recipients.end(); });
  Index part = split_off(index, recipients);
  items_[index].recipients.assign(rest);
  return part;
}

// `index` is in nobody else's hand. May end the item, never the message.
void QueueCore::carry_out(Index index, const Envelope* envelope, QueueAction action, const std::string& by) {
  ItemRecord& item = items_[index];
  switch (action) {
    case QueueAction::retry:
      return try_now(index);
    case QueueAction::hold:
      return hold_item(index, "held by " + by, by);
    case QueueAction::release:
      return release(index);
    case QueueAction::remove:
      for (uint32_t recipient : item.recipients.list())
        finish(index, *envelope, recipient, Ending{RecipientState::removed, {}, {}, by});
      return drop_item(index);
    case QueueAction::bounce:
      break;
  }
  std::vector<RecipientOutcome> failed;
  for (uint32_t recipient : item.recipients.list()) {
    failed.emplace_back();
    failed.back().recipient = recipient;
    failed.back().outcome = Outcome::permanent;
    failed.back().reply = Reply{554, {5, 7, 0}, {"returned by " + by}};
  }
  item.state = ItemState::reporting;
  scope_.spawn(report_failed(items_.handle(index), nullptr, std::move(failed)));
}

void QueueCore::try_now(Index index) {
  Index flow = items_[index].flow;
  make_ready(index, true, true);
  if (flow == kNone || items_[index].state != ItemState::ready) return;
  Index destination = ready_.flow(flow).key.destination;
  destinations_[destination].not_before = {};
  mark(destination);
}

void QueueCore::release(Index index) {
  for (uint32_t recipient : items_[index].recipients.list())
    record_state(index, recipient, RecipientStatus{});
  route_later(index);
}

void QueueCore::give_order(Index index, Order order) {
  items_[index].ordered = 1;
  orders_[items_.handle(index)].push_back(std::move(order));
}

Orders QueueCore::take_orders(Index index) {
  if (!items_[index].ordered) return {};
  Orders orders = std::move(orders_[items_.handle(index)]);
  orders_.erase(items_.handle(index));
  items_[index].ordered = 0;
  return orders;
}

// `index` came back. True: nothing is left of it to be queued. Recipients that no order names stay in it.
bool QueueCore::obey_order(Index index, const Envelope& envelope) {
  Orders orders = take_orders(index);
  for (auto order = orders.rbegin(); order != orders.rend(); ++order) {
    std::vector<uint32_t> named = order->of(items_[index].recipients);
    if (named.empty()) continue;
    bool all = named.size() == items_[index].recipients.size();
    Index part = all ? index : separate(index, named);
    items_[part].state = ItemState::reporting;
    carry_out(part, &envelope, order->action, order->by);
    if (all) return true;
  }
  return false;
}

// An item that came back where nobody had its envelope at hand, or was held while an order waited.
Task<void> QueueCore::obey_later(uint64_t handle) {
  co_await sleep_for(loop_, Millis(0));
  if (items_.find(handle) == kNone) co_return;
  MessageId id = messages_[items_[items_.find(handle)].message].id;
  Result<StoredMessage> stored = co_await spool_.find(loop_, id);
  Index item = items_.find(handle);
  if (item == kNone || !stored.ok()) co_return;
  ItemState state = items_[item].state;
  bool waits = state == ItemState::ready || state == ItemState::scheduled || state == ItemState::held;
  if (!waits) co_return;  // away again: obeyed when it is back
  Index message = items_[item].message;
  Orders orders = take_orders(item);
  for (auto order = orders.rbegin(); order != orders.rend(); ++order) {
    std::vector<uint32_t> named = order->of(items_[item].recipients);
    bool all = named.size() == items_[item].recipients.size();
    if (!named.empty()) carry_out(take_out(item, named), stored->envelope.get(), order->action, order->by);
    if (all) break;
  }
  close_message(message);
}

}  // namespace veredus::queue_detail
