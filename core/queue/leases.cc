// Leases: how many connections a destination may have, who waits for room, and when a connection is told to
// close.
#include "queue/queue_core.h"

namespace veredus::queue_detail {

namespace {

constexpr uint32_t kFirstWindow = 5;
constexpr uint32_t kItemsPerOpening = 2;  // a connection being opened is thought to serve so many
constexpr uint32_t kQuantum = 10;         // messages before a connection makes room for those who wait
constexpr Millis kPauseAfterUnused{1000};

}  // namespace

// Serves the leases that wait, then asks for more if there is more to do.
void QueueCore::pump(Index index) {
  DestinationRecord& destination = destinations_[index];
  serve_idle(destination);
  while (wants_lease(destination) && grant(index)) serve_idle(destination);
  if (destination.eligible > 0 && loop_.now() < destination.not_before)
    probes_.set(index, destination.not_before);
  if (destination.cold) prefetch(index);
}

void QueueCore::serve_idle(const DestinationRecord& destination) {
  bool closing = draining_ || !destination.suspended_by.empty();
  for (Index lease = destination.idle; lease != kNone && (closing || destination.ring != kNone);) {
    Index following = leases_[lease].next;
    if (must_close(leases_[lease]))
      close_idle(lease);
    else if (!leases_[lease].waiting)
      serve(lease);
    lease = following;
  }
}

// Where pairs of item and connection have limits, only a connection that is there tells whether there is room: one is opened at a time, and
// none while another waits.
bool QueueCore::wants_lease(const DestinationRecord& destination) const {
  if (!started_ || draining_ || destination.blocked || !destination.suspended_by.empty()) return false;
  if (loop_.now() < destination.not_before) return false;
  if ((limits_->has_joint() && destination.opening > 0) || (destination.has_pairs && destination.idle != kNone)) return false;
  uint32_t most = settings_->outbound.connections_per_destination;
  uint32_t window = destination.level > 0 ? 1 : destination.window == 0 ? kFirstWindow : destination.window;
  if (most > 0) window = std::min(window, most);
  return destination.leases < window && destination.eligible > kItemsPerOpening * destination.opening;
}

bool QueueCore::grant(Index index) {
  DestinationRecord& destination = destinations_[index];
  LimitSubject subject;
  subject.destination = destination.to.get();
  std::vector<Index> counters = limits_->find(LimitLevel::grant, subject);
  Index full = first_without_room(counters, destination.pass);
  if (full != kNone) {
    bool waited_for = destination.leases > 0 && limits_->connection_free(full);  // by those it has
    if (!waited_for) wait_for(full, index, destination.pass == full);
    limits_->drop(counters);
    return false;
  }
  Index lease_index = leases_.take();
  LeaseRecord& lease = leases_[lease_index];
  lease.destination = index;
  lease.failures_before = destination.failures;
  lease.pass = std::exchange(destination.pass, kNone);
  lease.granted = counters.size();
  for (Index counter : counters) use_for_lease(lease, counter);
  limits_->drop(counters);
  ++destination.leases;
  ++destination.opening;
  courier_->open(Lease{leases_.handle(lease_index), destination.to, settings_});
  return true;
}

// Of counters that hold for a whole connection. Nobody goes before those who wait, but whom the counter has
// called.
Index QueueCore::first_without_room(const std::vector<Index>& counters, Index pass) const {
  for (Index counter : counters) {
    bool queue_jumping = limits_->contended(counter) && pass != counter;
    if (queue_jumping || !limits_->connection_free(counter) || !limits_->token_free(counter, loop_.now()))
      return counter;
  }
  return kNone;
}

void QueueCore::use_for_lease(LeaseRecord& lease, Index counter) {
  limits_->take_connection(counter);
  limits_->use({counter});
  lease.counters.push_back(counter);
  if (uint32_t most = (*limits_)[counter].limit->messages_per_connection)
    lease.most_messages = std::min(lease.most_messages, most);
}

void QueueCore::end_pass(Index& pass) {
  if (pass != kNone) limits_->end_pass(std::exchange(pass, kNone));
}

// The destination asks for no lease until the counter calls it.
void QueueCore::wait_for(Index counter, Index index, bool in_front) {
  DestinationRecord& destination = destinations_[index];
  destination.blocked = true;
  end_pass(destination.pass);
  LimitWaiter waiter{WaiterKind::destination, destinations_.handle(index)};
  limits_->wait(counter, ready_.tenant_in_turn(destination), waiter, in_front, loop_.now());
  if (idle_.empty()) return;
  const LeaseRecord& longest_idle = leases_[idle_.first()];
  bool helps = std::find(longest_idle.counters.begin(), longest_idle.counters.end(), counter) !=
               longest_idle.counters.end();
  if (helps && !longest_idle.waiting) close_idle(idle_.first());
}

bool QueueCore::admit(LeaseId id, LeaseTags tags) {
  Index index = leases_.find(id);
  if (index == kNone || draining_) return false;
  LeaseRecord& lease = leases_[index];
  DestinationRecord& destination = destinations_[lease.destination];
  release_counters(lease.counters, lease.granted);
  lease.tags = std::move(tags);
  lease.provider = limits_->provider_of(lease.tags);
  LimitSubject subject;
  subject.destination = destination.to.get();
  subject.tags = &lease.tags;
  subject.provider = lease.provider;
  std::vector<Index> counters = limits_->find(LimitLevel::admit, subject);
  limits_->drop(std::exchange(lease.refused, {}));
  Index full = first_without_room(counters, lease.pass);
  if (full != kNone) {
    lease.refused.push_back(full);
    limits_->use(lease.refused);
  } else {
    for (Index counter : counters) use_for_lease(lease, counter);
  }
  limits_->drop(counters);
  return full == kNone;
}

void QueueCore::next(LeaseId id, std::optional<AttemptResult> previous, LeaseRecord::Asker asker,
                     Deadline idle) {
  Index index = leases_.find(id);
  if (index == kNone) return asker.fulfil(std::optional<Attempt>());
  LeaseRecord& lease = leases_[index];
  if (!lease.connected) {
    lease.connected = true;
    connected(lease.destination);
  }
  if (previous) apply_result(index, std::move(*previous));
  if (lease.item != kNone) apply_result(index, AttemptResult{items_.handle(lease.item), {}});
  if (must_close(lease)) return asker.fulfil(std::optional<Attempt>());
  lease.asker = std::move(asker);
  lease.idle_deadline = idle.when;
  set_idle(index);
  mark(lease.destination);
}

bool QueueCore::must_close(const LeaseRecord& lease) const {
  const DestinationRecord& destination = destinations_[lease.destination];
  if (draining_ || !destination.suspended_by.empty()) return true;
  uint32_t most = settings_->outbound.messages_per_connection;
  if (lease.messages >= lease.most_messages || (most > 0 && lease.messages >= most)) return true;
  return lease.messages >= kQuantum && contended(lease);
}

bool QueueCore::contended(const LeaseRecord& lease) const {
  for (Index counter : lease.counters)
    if (limits_->contended(counter) && limits_->has_connections(counter)) return true;
  return false;
}

void QueueCore::set_idle(Index index) {
  LeaseRecord& lease = leases_[index];
  DestinationRecord& destination = destinations_[lease.destination];
  lease.idle = true;
  lease.previous = kNone;
  lease.next = destination.idle;
  if (lease.next != kNone) leases_[lease.next].previous = index;
  destination.idle = index;
  if (lease.idle_deadline != MonoTime::max()) idle_.set(index, lease.idle_deadline);
}

void QueueCore::unset_idle(Index index) {
  LeaseRecord& lease = leases_[index];
  if (!lease.idle) return;
  (lease.previous == kNone ? destinations_[lease.destination].idle : leases_[lease.previous].next) =
      lease.next;
  if (lease.next != kNone) leases_[lease.next].previous = lease.previous;
  lease.idle = false;
  idle_.erase(index);
}

void QueueCore::close_idle(Index index) {
  unset_idle(index);
  LeaseRecord::Asker asker = std::move(*leases_[index].asker);
  leases_[index].asker.reset();
  asker.fulfil(std::optional<Attempt>());
}

void QueueCore::release_counters(std::vector<Index>& counters, size_t from) {
  if (counters.size() <= from) return;
  std::vector<Index> released(counters.begin() + static_cast<ptrdiff_t>(from), counters.end());
  counters.resize(from);
  for (Index counter : released) limits_->give_connection(counter);
  limits_->drop(released);
}

void QueueCore::end(LeaseId id, LeaseEnd how, const Reply& failure, std::optional<AttemptResult> last) {
  Index index = leases_.find(id);
  if (index == kNone) return;
  LeaseRecord& lease = leases_[index];
  Index where = lease.destination;
  DestinationRecord& destination = destinations_[where];
  if (last) apply_result(index, std::move(*last));
  if (lease.item != kNone) apply_result(index, AttemptResult{items_.handle(lease.item), {}});
  --(lease.connected ? destination.connected : destination.opening);
  --destination.leases;
  if (failure.code != 0) {
    lost(index, failure);
  } else if (std::vector<Index> full = full_for(lease); !full.empty()) {
    for (Index counter : full) wait_for(counter, where, lease.pass == counter);
  } else if (!lease.connected && how != LeaseEnd::shutdown) {
    destination.not_before = std::max(destination.not_before, loop_.now() + kPauseAfterUnused);
  }
  free_lease(index);
  mark(where);
}

// The counters for which the whole destination should wait when this lease, given back, was in vain. A
// counter of this connection's own end says nothing of another's: that is for admit() to find out.
std::vector<Index> QueueCore::full_for(const LeaseRecord& lease) const {
  if (!lease.refused.empty()) return lease.refused;
  if (!lease.waiting) return {};
  std::vector<Index> out;
  for (Index counter : lease.waits_for) {
    auto place = std::find(lease.counters.begin(), lease.counters.end(), counter);
    bool of_this_end = place != lease.counters.end() &&
                       place - lease.counters.begin() >= static_cast<ptrdiff_t>(lease.granted);
    if (!of_this_end) out.push_back(counter);
  }
  return out;
}

// A connection that had worked, or that was one too many beside others that work, says nothing of the
// destination.
void QueueCore::lost(Index index, const Reply& failure) {
  const LeaseRecord& lease = leases_[index];
  DestinationRecord& destination = destinations_[lease.destination];
  bool counted = lease.failures_before != destination.failures;
  if (failure.permanent() && lease.progress == 0 && !settings_->queue.soft_bounce &&
      destination.connected == 0) {
    scope_.spawn(fail_waiting(destinations_.handle(lease.destination), failure));
  } else if (lease.progress > 0 || destination.connected > 0) {
    destination.window = std::max(1u, destination.connected);
  } else if (!counted) {
    failed(lease.destination, failure);
  }
}

void QueueCore::free_lease(Index index) {
  LeaseRecord& lease = leases_[index];
  unset_idle(index);
  end_pass(lease.pass);
  release_counters(lease.item_counters, 0);
  release_counters(lease.counters, 0);
  limits_->drop(lease.refused);
  if (lease.asker) lease.asker->fulfil(std::optional<Attempt>());
  lease.asker.reset();
  leases_.give_back(index);
}

// There may be room under a counter: its waiters are called in turn, as many as there is room for.
void QueueCore::dispatch(Index counter) {
  LimitWaiter waiter;
  while (limits_->next_waiter(counter, loop_.now(), &waiter))
    if (call_waiter(counter, waiter)) limits_->give_pass(counter, loop_.now());
}

bool QueueCore::call_waiter(Index counter, const LimitWaiter& waiter) {
  if (waiter.kind == WaiterKind::flow) {
    Index index = ready_.flows().find(waiter.handle);
    if (index == kNone || !ready_.flow(index).blocked) return false;
    ready_.unblock(index);
    if (!ready_.flow(index).active) return false;
    ready_.flow(index).pass = counter;
    mark(ready_.flow(index).key.destination);
    return true;
  }
  if (waiter.kind == WaiterKind::lease) {
    Index index = leases_.find(waiter.handle);
    if (index == kNone || !leases_[index].waiting) return false;
    stop_waiting(leases_[index]);
    end_pass(leases_[index].pass);
    leases_[index].pass = counter;
    mark(leases_[index].destination);
    return true;
  }
  Index index = destinations_.find(waiter.handle);
  if (index == kNone || !destinations_[index].blocked) return false;
  destinations_[index].blocked = false;
  if (destinations_[index].eligible == 0) return false;
  end_pass(destinations_[index].pass);
  destinations_[index].pass = counter;
  mark(index);
  return true;
}

}  // namespace veredus::queue_detail
