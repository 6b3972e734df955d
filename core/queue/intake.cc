// Messages become items: every recipient is routed, recipients with the same destination (and the same past)
// share an item.
#include <tuple>

#include "log/events.h"
#include "mail/delivery_note.h"
#include "queue/queue_core.h"

namespace veredus::queue_detail {

namespace {

constexpr uint32_t kMostRerouting = 64;
constexpr int kReroutedPerTurn = 256;
constexpr uint16_t kMostMovesAtOnce = 5;

struct GroupKey {
  std::string destination, domain;
  uint16_t attempts = 0;
  MonoTime due{};
  auto operator<=>(const GroupKey&) const = default;
};

struct Group {
  Routed routed;
  std::vector<Pending> members;
};

Reply no_route() {
  return Reply{451, {4, 4, 4}, {"no route for this recipient"}};
}

// One domain of all, else none: limits and suspensions by domain then pass it by.
std::string common_domain(const Envelope& envelope, const std::vector<Pending>& members) {
  std::string domain = lowered(envelope.recipients[members[0].recipient].address.domain());
  for (const Pending& member : members)
    if (!iequals(envelope.recipients[member.recipient].address.domain(), domain)) return {};
  return domain;
}

}  // namespace

void QueueCore::add(MessagePtr message) {
  const Envelope& envelope = message->envelope;
  if (by_id_.find(mixed(envelope.id.value), [&](Index i) { return messages_[i].id == envelope.id; }) != kNone)
    return;
  auto recipients = static_cast<uint32_t>(envelope.recipients.size());
  Index index = take_message(envelope, message->content.size(), recipients);
  if (recipients == 0) return close_message(index);
  watch(index, false);
  std::vector<Pending> pending(recipients);
  for (uint32_t i = 0; i < recipients; ++i) pending[i].recipient = i;
  if (envelope.held) {
    std::vector<uint32_t> all(recipients);
    for (uint32_t i = 0; i < recipients; ++i) all[i] = i;
    items_[new_item(index, std::move(all), 0)].state = ItemState::held;
    counts_.held += recipients;
    log_.write(events::kMessageHeld, {{"id", envelope.id.text()}, {"reason", envelope.hold_reason}});
    return;
  }
  keep_content(index, message, 1);
  EnvelopePtr shared(message, &envelope);
  scope_.spawn(route_message(index, std::move(shared), std::move(message), std::move(pending)));
}

Index QueueCore::take_message(const Envelope& envelope, uint64_t size, uint32_t open) {
  Index index = messages_.take();
  MessageRecord& record = messages_[index];
  record.id = envelope.id;
  record.arrived = std::min(envelope.arrived, loop_.clock().wall());
  record.size = size;
  record.open = open;
  record.tenant = names_.take(envelope.tenant);
  record.sender_domain = names_.take(lowered(envelope.sender.domain()));
  record.null_sender = envelope.sender.empty();
  by_id_.insert(index, [this](Index i) { return mixed(messages_[i].id.value); });
  counts_.accepted += open;
  counts_.queued += open;
  ++counts_.messages;
  return index;
}

// The message stays while this runs: its recipients are open and belong to this coroutine.
Task<void> QueueCore::route_message(Index message, EnvelopePtr envelope, MessagePtr content,
                                    std::vector<Pending> pending, Orders orders) {
  ++routing_;
  Batch batch{std::move(pending), {}, std::move(orders)};
  {
    InBatches listed(batches_, message, &batch);
    for (const Pending& member : batch.pending) {
      Routed routed = co_await router_->route(envelope, member.recipient);
      batch.routed.push_back(std::move(routed));
    }
  }
  --routing_;
  give_to_items(message, envelope, content, batch);
  if (content) drop_content_user(message);
  close_message(message);
}

void QueueCore::give_to_items(Index message, const EnvelopePtr& envelope, const MessagePtr& content,
                              Batch& batch) {
  if (!batch.orders.empty()) obey_in_batch(message, *envelope, batch);
  std::map<GroupKey, Group> groups;
  for (size_t i = 0; i < batch.pending.size(); ++i) {
    const Pending& member = batch.pending[i];
    Routed& routed = batch.routed[i];
    GroupKey key{{}, {}, member.attempts, member.due};
    if (routed.verdict != Outcome::not_tried) {
      key.destination = (routed.verdict == Outcome::held ? "\thold " : "\tdiscard ") + routed.rule;
    } else if (!routed.destination) {
      if (routed.failure.code == 0) routed.failure = no_route();
      key.destination = '\n' + routed.failure.joined();
    } else {
      key.destination = routed.destination->name;
      std::string domain = lowered(envelope->recipients[member.recipient].address.domain());
      if (routed.destination->domain.empty() && keeps_domain_apart(domain)) key.domain = std::move(domain);
    }
    Group& group = groups[std::move(key)];
    group.routed = std::move(routed);
    group.members.push_back(member);
  }
  for (auto& [key, group] : groups) {
    if (group.routed.verdict != Outcome::not_tried)
      set_aside(message, *envelope, group.routed, group.members);
    else if (group.routed.destination)
      place(message, *envelope, group.routed.destination, group.members);
    else
      unroutable(message, envelope, content, std::move(group.members), std::move(group.routed.failure));
  }
}

// Orders given while the recipients were on their way: those recipients leave the batch.
void QueueCore::obey_in_batch(Index message, const Envelope& envelope, Batch& batch) {
  for (auto order = batch.orders.rbegin(); order != batch.orders.rend(); ++order)
    for (uint32_t recipient : order->recipients) {
      auto member = std::find_if(batch.pending.begin(), batch.pending.end(),
                                 [&](const Pending& p) { return p.recipient == recipient; });
      if (member == batch.pending.end()) continue;
      if (order->action == QueueAction::retry) {
        member->due = {};
        continue;
      }
      Index item = new_item(message, {recipient}, member->attempts);
      batch.routed.erase(batch.routed.begin() + (member - batch.pending.begin()));
      batch.pending.erase(member);
      items_[item].state = ItemState::reporting;
      carry_out(item, &envelope, order->action, order->by);
    }
}

// A rule of stage route holds or discards.
void QueueCore::set_aside(Index message, const Envelope& envelope, const Routed& routed,
                          const std::vector<Pending>& group) {
  std::vector<uint32_t> recipients;
  for (const Pending& member : group) recipients.push_back(member.recipient);
  Index item = new_item(message, recipients, group[0].attempts);
  if (routed.verdict == Outcome::held) {
    hold_item(item, routed.rule, routed.rule);
    log_.write(events::kMessageHeld, {{"id", envelope.id.text()}, {"reason", routed.rule}});
    return;
  }
  for (uint32_t recipient : recipients)
    finish(item, envelope, recipient, Ending{RecipientState::discarded, {}, {}, routed.rule});
  drop_item(item);
}

bool QueueCore::keeps_domain_apart(std::string_view domain) const {
  if (domains_matter_) return true;
  for (const auto& [pattern, by] : suspensions_)
    if (pattern != "*" && matches_name(pattern, domain)) return true;
  return false;
}

void QueueCore::place(Index message, const Envelope& envelope, const std::shared_ptr<const Destination>& to,
                      const std::vector<Pending>& group) {
  std::vector<uint32_t> recipients;
  for (const Pending& member : group) recipients.push_back(member.recipient);
  Index index = new_item(message, std::move(recipients), group[0].attempts);
  Index destination = destination_for(to);
  FlowKey key =
      flow_key(destination, envelope, to->domain.empty() ? common_domain(envelope, group) : to->domain);
  ItemRecord& item = items_[index];
  item.flow = ready_.flow_for(key);
  for (Index name : {key.tenant, key.account, key.stream, key.domain}) names_.drop(name);
  if (++ready_.flow(item.flow).users == 1) suspend_if_told(item.flow);
  if (log_.wants(Severity::debug))
    log_.write(events::kQueueRecipientTaken, {{"id", envelope.id.text()}, {"destination", to->name}});
  MonoTime due = group[0].due;
  if (group[0].attempts == 0) due = std::max(due, first_chance(message, envelope));
  if (due > loop_.now()) return schedule(index, due);
  add_user(index);
  make_ready(index, false, group[0].attempts > 0);
}

// Who hands in for the queue only waits as long as after a failed attempt.
MonoTime QueueCore::first_chance(Index message, const Envelope& envelope) const {
  if (!find_note(envelope.notes, kQueueOnlyNote)) return {};
  return mono_of(messages_[message].arrived + RetryPlan::base(settings_->queue, 1));
}

// Takes a reference on each name; flow_for takes its own.
FlowKey QueueCore::flow_key(Index destination, const Envelope& envelope, std::string_view domain) {
  FlowKey key;
  key.destination = destination;
  key.tenant = names_.take(envelope.tenant);
  key.account = names_.take(envelope.origin.account);
  key.stream = names_.take(envelope.stream);
  key.domain = names_.take(domain);
  key.priority = envelope.priority;
  return key;
}

Index QueueCore::new_item(Index message, std::vector<uint32_t> recipients, uint16_t attempts) {
  Index index = items_.take();
  ItemRecord& item = items_[index];
  item.message = message;
  item.sibling = messages_[message].first_item;
  messages_[message].first_item = index;
  item.attempts = attempts;
  item.routed = routes_generation_;
  item.recipients.assign(recipients);
  return index;
}

void QueueCore::drop_item(Index index) {
  ItemRecord& item = items_[index];
  drop_user(index);
  schedule_.erase(index);
  if (item.ordered) orders_.erase(items_.handle(index));
  leave_flow(index);
  Index* link = &messages_[item.message].first_item;
  while (*link != index) link = &items_[*link].sibling;
  *link = item.sibling;
  items_.give_back(index);
}

void QueueCore::leave_flow(Index index) {
  Index flow = std::exchange(items_[index].flow, kNone);
  if (flow != kNone && --ready_.flow(flow).users == 0) sweep_later(flow);
}

void QueueCore::unroutable(Index message, EnvelopePtr envelope, MessagePtr content,
                           std::vector<Pending> group, Reply failure) {
  std::vector<uint32_t> recipients;
  std::vector<RecipientOutcome> outcomes;
  bool final = failure.permanent() && !settings_->queue.soft_bounce;
  for (const Pending& member : group) {
    recipients.push_back(member.recipient);
    RecipientOutcome outcome;
    outcome.recipient = member.recipient;
    outcome.outcome = final ? Outcome::permanent : Outcome::temporary;
    outcome.reply = failure;
    outcomes.push_back(std::move(outcome));
  }
  Index item = new_item(message, std::move(recipients), group[0].attempts);
  if (!final) return defer(item, *envelope, outcomes);
  items_[item].state = ItemState::reporting;
  scope_.spawn(report_failed(items_.handle(item), std::move(content), std::move(outcomes)));
}

bool QueueCore::reroute_if_stale(Index index) {
  if (items_[index].routed == routes_generation_) return false;
  unready(index);
  route_later(index);
  return true;
}

void QueueCore::route_later(Index index) {
  items_[index].state = ItemState::routing;
  drop_user(index);
  leave_flow(index);
  to_route_.push_back(items_.handle(index));
}

void QueueCore::route_some() {
  for (int i = 0; i < kReroutedPerTurn && rerouting_ < kMostRerouting && !to_route_.empty(); ++i) {
    uint64_t item = to_route_.front();
    to_route_.pop_front();
    ++rerouting_;
    scope_.spawn(route_again(item));
  }
}

bool QueueCore::can_route_more() const {
  return !to_route_.empty() && rerouting_ < kMostRerouting;
}

// The envelope is read back, the item dissolved, its recipients placed anew.
Task<void> QueueCore::route_again(uint64_t handle) {
  Index item = items_.find(handle);
  Index message = items_[item].message;
  Result<StoredMessage> stored = co_await spool_.find(loop_, messages_[message].id);
  --rerouting_;
  if (!stored.ok()) {
    log_.write(events::kSpoolReadFailed,
               {{"id", messages_[message].id.text()}, {"reason", stored.error().text}});
    schedule(item, loop_.now() + RetryPlan::base(settings_->queue, 1));
    co_return;
  }
  std::vector<Pending> pending;
  for (uint32_t recipient : items_[item].recipients.list())
    pending.push_back({recipient, items_[item].attempts, {}});
  Orders orders = take_orders(item);
  drop_item(item);
  co_await route_message(message, stored->envelope, nullptr, std::move(pending), std::move(orders));
}

// A route chosen late is kept in the spool before it is followed, so that a restart follows it too. It counts as an attempt, and a hook
// that changes its mind for ever is slowed down by the retry list.
Task<void> QueueCore::move_item(uint64_t handle, MessagePtr message, std::vector<RecipientOutcome> moved) {
  Index item = items_.find(handle);
  Index owner = items_[item].message;
  auto envelope = std::make_shared<Envelope>(message->envelope);
  Result<StoredMessage> stored = co_await spool_.find(loop_, messages_[owner].id);
  if (stored.ok()) *envelope = *stored->envelope;
  for (const RecipientOutcome& outcome : moved) {
    if (!outcome.next_hop.empty()) envelope->recipients[outcome.recipient].next_hop = outcome.next_hop;
    if (!outcome.pool.empty()) envelope->pool = outcome.pool;
  }
  Status amended;
  if (stored.ok())
    amended = co_await spool_.amend(loop_, envelope);
  else
    amended = stored.error();
  if (!amended.ok()) {
    log_.write(events::kSpoolReadFailed, {{"id", envelope->id.text()}, {"reason", amended.error().text}});
    if (!obey_order(item, *envelope)) defer(item, *envelope, moved);
    close_message(owner);
    co_return;
  }
  drop_resident(owner);
  uint16_t attempts = items_[item].attempts;
  if (attempts < UINT16_MAX) ++attempts;
  MonoTime due{};
  if (attempts > kMostMovesAtOnce) due = loop_.now() + retry_.wait(settings_->queue, attempts);
  std::vector<Pending> pending;
  for (uint32_t recipient : items_[item].recipients.list()) pending.push_back({recipient, attempts, due});
  Orders orders = take_orders(item);
  drop_item(item);
  co_await route_message(owner, std::move(envelope), nullptr, std::move(pending), std::move(orders));
}

}  // namespace veredus::queue_detail
