// Handing out: an item is chosen for a connection that waits, under every limit that applies, and given its
// contents.
#include "queue/queue_core.h"

namespace veredus::queue_detail {

bool QueueCore::serve(Index index) {
  LeaseRecord& lease = leases_[index];
  DestinationRecord& destination = destinations_[lease.destination];
  for (Index counter : lease.counters) {
    bool queue_jumping = limits_->contended(counter) && limits_->has_rate(counter) && lease.pass != counter;
    if (limits_->token_free(counter, loop_.now()) && !queue_jumping) continue;
    wait_as_lease(index, counter, ready_.tenant_in_turn(destination));
    return false;
  }
  std::vector<FullPair> full;
  Index item = ready_.pick(destination, [&](Index flow) { return consider(index, flow, full); });
  if (item != kNone) {
    hand(index, item);
    return true;
  }
  destination.has_pairs = destination.has_pairs || !full.empty();
  for (const FullPair& pair : full) wait_as_lease(index, pair.counter, names_.text(pair.tenant));
  return false;
}

void QueueCore::wait_as_lease(Index index, Index counter, std::string_view tenant) {
  LeaseRecord& lease = leases_[index];
  bool in_front = lease.pass == counter;
  if (in_front) end_pass(lease.pass);
  lease.waiting = true;
  lease.waits_for.push_back(counter);
  limits_->wait(counter, tenant, {WaiterKind::lease, leases_.handle(index)}, in_front, loop_.now());
}

// May this connection take the head of this flow? If so, everything it needs is taken.
Choice QueueCore::consider(Index lease_index, Index flow_index, std::vector<FullPair>& full) {
  while (ready_.flow(flow_index).active && reroute_if_stale(ready_.flow(flow_index).head)) {
  }
  if (!ready_.flow(flow_index).active) return Choice::gone;
  if (!ready_.flow(flow_index).limits) find_limits(flow_index);
  Flow& flow = ready_.flow(flow_index);
  Index first = first_full(lease_index, flow, *flow.limits);
  if (first != kNone) {
    block_flow(flow_index, first);
    return Choice::gone;
  }
  LeaseRecord& lease = leases_[lease_index];
  std::vector<Index> joint;
  if (limits_->has_joint()) joint = limits_->find(LimitLevel::joint, subject_of(flow, &lease));
  first = first_full(lease_index, flow, joint);
  if (first != kNone) {
    auto same = [&](const FullPair& pair) { return pair.counter == first; };
    if (std::none_of(full.begin(), full.end(), same)) full.push_back({first, flow.key.tenant});
    limits_->drop(joint);
    return Choice::skip;
  }
  limits_->use(*flow.limits);
  lease.item_counters = *flow.limits;
  lease.item_counters.insert(lease.item_counters.end(), joint.begin(), joint.end());
  take_room(lease);
  end_pass(flow.pass);
  end_pass(lease.pass);
  return Choice::take;
}

Index QueueCore::first_full(Index lease, const Flow& flow, const std::vector<Index>& counters) {
  for (Index counter : counters) {
    bool queue_jumping =
        limits_->contended(counter) && flow.pass != counter && leases_[lease].pass != counter;
    if (queue_jumping || !limits_->connection_free(counter) || !limits_->token_free(counter, loop_.now()))
      return counter;
  }
  return kNone;
}

void QueueCore::take_room(LeaseRecord& lease) {
  for (Index counter : lease.counters) limits_->take_token(counter, loop_.now());
  for (Index counter : lease.item_counters) {
    limits_->take_connection(counter);
    limits_->take_token(counter, loop_.now());
    if (uint32_t most = (*limits_)[counter].limit->messages_per_connection)
      lease.most_messages = std::min(lease.most_messages, most);
  }
}

void QueueCore::stop_waiting(LeaseRecord& lease) {
  lease.waiting = false;
  lease.waits_for.clear();
}

// A flow came to life where connections wait because of pairs of item and connection: it may be one that has
// room.
void QueueCore::look_again(Index index) {
  DestinationRecord& destination = destinations_[index];
  if (!std::exchange(destination.has_pairs, false)) return;
  destination.blocked = false;
  for (Index lease = destination.idle; lease != kNone; lease = leases_[lease].next)
    stop_waiting(leases_[lease]);
}

void QueueCore::block_flow(Index index, Index counter) {
  Flow& flow = ready_.flow(index);
  bool in_front = flow.pass == counter;
  end_pass(flow.pass);
  ready_.block(index);
  LimitWaiter waiter{WaiterKind::flow, ready_.flows().handle(index)};
  limits_->wait(counter, names_.text(flow.key.tenant), waiter, in_front, loop_.now());
}

void QueueCore::find_limits(Index index) {
  Flow& flow = ready_.flow(index);
  flow.limits =
      std::make_unique<std::vector<Index>>(limits_->find(LimitLevel::flow, subject_of(flow, nullptr)));
}

LimitSubject QueueCore::subject_of(const Flow& flow, const LeaseRecord* lease) const {
  LimitSubject subject;
  subject.destination = destinations_[flow.key.destination].to.get();
  subject.domain = names_.text(flow.key.domain);
  subject.tenant = names_.text(flow.key.tenant);
  subject.account = names_.text(flow.key.account);
  if (!lease) return subject;
  subject.tags = &lease->tags;
  subject.provider = lease->provider;
  return subject;
}

void QueueCore::hand(Index lease_index, Index item_index) {
  LeaseRecord& lease = leases_[lease_index];
  ItemRecord& item = items_[item_index];
  unset_idle(lease_index);
  stop_waiting(lease);
  count_failures(item);
  item.state = ItemState::in_hand;
  lease.item = item_index;
  ++lease.messages;
  ++destinations_[lease.destination].in_hand;
  ++in_hand_;
  Index resident = messages_[item.message].resident;
  if (resident != kNone && residents_[resident].message)
    return answer(lease_index, residents_[resident].message);
  destinations_[lease.destination].cold = true;
  scope_.spawn(hand_loaded(leases_.handle(lease_index), items_.handle(item_index)));
}

void QueueCore::answer(Index lease_index, MessagePtr message) {
  LeaseRecord& lease = leases_[lease_index];
  const ItemRecord& item = items_[lease.item];
  Attempt attempt;
  attempt.item = items_.handle(lease.item);
  attempt.message = message;
  attempt.recipients = item.recipients.list();
  attempt.attempts_before = item.attempts;
  lease.message = std::move(message);
  LeaseRecord::Asker asker = std::move(*lease.asker);
  lease.asker.reset();
  asker.fulfil(std::optional<Attempt>(std::move(attempt)));
}

}  // namespace veredus::queue_detail
