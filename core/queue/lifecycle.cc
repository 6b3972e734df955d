// Begin, end, reload, and the end of each turn, where work is handed out and what changed is written.
#include <cassert>

#include "log/events.h"
#include "queue/queue_core.h"

namespace veredus::queue_detail {

namespace {

constexpr Index kWalkedPerTurn = 1000;
constexpr size_t kMostToRoute = 1024;

bool same_routes(const Settings& a, const Settings& b) {
  auto same = [](const RouteSettings& x, const RouteSettings& y) {
    return x.match == y.match && x.to == y.to && x.pool == y.pool && x.ip == y.ip;
  };
  return std::equal(a.routes.begin(), a.routes.end(), b.routes.begin(), b.routes.end(), same) &&
         a.hosts == b.hosts && a.outbound.fallback == b.outbound.fallback &&
         a.outbound.port == b.outbound.port && a.outbound.ip == b.outbound.ip;
}

bool same_ages(const QueueSettings& a, const QueueSettings& b) {
  return a.expire == b.expire && a.expire_bounce == b.expire_bounce && a.delay_warning == b.delay_warning;
}

bool uses_domain(const LimitSettings& limit) {
  return limit.match.count("domain") > 0 ||
         std::find(limit.per.begin(), limit.per.end(), "domain") != limit.per.end();
}

}  // namespace

QueueCore::QueueCore(Loop& loop, Spool& spool, Log& log, SettingsPtr settings, uint64_t seed)
    : loop_(loop),
      spool_(spool),
      log_(log),
      settings_(std::move(settings)),
      retry_(seed),
      quiet_(loop),
      scope_(loop) {
  rebuild_limits();
  loop_.at_turn_end(this);
}

QueueCore::~QueueCore() {
  scope_.cancel();
  loop_.forget_turn_end(this);
  spool_.record(std::move(changes_));
}

void QueueCore::connect(Router& router, Courier& courier, Reporter& reporter) {
  router_ = &router;
  courier_ = &courier;
  reporter_ = &reporter;
}

void QueueCore::start() {
  started_ = true;
  for (Index i = 0; i < destinations_.end(); ++i)
    if (destinations_[i].to) mark(i);
}

void QueueCore::turn_end() {
  settle();
  if (!changes_.empty()) spool_.record(std::exchange(changes_, {}));
  sweep();
  arm();
  check_balance();
  published_.write(counts_);
  if (draining_ && in_hand_ == 0 && reporting_ == 0) quiet_.set();
}

void QueueCore::settle() {
  route_some();
  for (;;) {
    if (Index counter = limits_->take_freed(); counter != kNone) {
      dispatch(counter);
    } else if (!dirty_.empty()) {
      Index destination = dirty_.back();
      dirty_.pop_back();
      destinations_[destination].dirty = false;
      pump(destination);
    } else {
      return;
    }
  }
}

void QueueCore::arm() {
  MonoTime when =
      std::min({schedule_.first_time(), probes_.first_time(), idle_.first_time(), limits_->next_wake()});
  if (!ageing_is_full()) when = std::min(when, watches_.first_time());
  if (can_route_more()) when = loop_.now();
  when = std::max(when, loop_.now());
  if (when == armed_) return;
  armed_ = when;
  if (when == MonoTime::max())
    timer_.cancel();
  else
    timer_.start(loop_, when, &QueueCore::timer_fired, this);
}

void QueueCore::check_balance() {
  const QueueCounters& c = counts_;
  if (c.accepted == c.delivered + c.bounced + c.expired + c.discarded + c.removed + c.queued) return;
  log_.write(events::kQueueImbalance, {{"accepted", c.accepted}, {"queued", c.queued}});
  assert(false && "accepted = finished + queued");
}

Task<void> QueueCore::drain(Deadline deadline) {
  draining_ = true;
  for (Index i = 0; i < destinations_.end(); ++i)
    if (destinations_[i].to) mark(i);
  quiet_.reset();
  if (in_hand_ > 0 || reporting_ > 0) co_await quiet_.wait(deadline);
}

void QueueCore::reconfigure(SettingsPtr settings) {
  SettingsPtr before = std::exchange(settings_, std::move(settings));
  rebuild_limits();
  if (!same_ages(before->queue, settings_->queue)) scope_.spawn(watch_anew());
  if (same_routes(*before, *settings_)) return;
  ++routes_generation_;
  scope_.spawn(reroute_waiting());
}

// New counters; what is in use now is counted under the new limits, even where that is more than they allow.
void QueueCore::rebuild_limits() {
  auto fresh = std::make_unique<LimitBook>(*settings_);
  domains_matter_ =
      std::any_of(settings_->outbound_limits.begin(), settings_->outbound_limits.end(), uses_domain);
  limits_.swap(fresh);
  for (Index i = 0; i < ready_.flows().end(); ++i) {
    Flow& flow = ready_.flow(i);
    flow.limits.reset();
    flow.pass = kNone;
    if (flow.blocked) ready_.unblock(i);
  }
  for (Index i = 0; i < destinations_.end(); ++i) {
    destinations_[i].blocked = false;
    destinations_[i].pass = kNone;
    if (destinations_[i].to) mark(i);
  }
  for (Index i = 0; i < leases_.end(); ++i)
    if (leases_[i].destination != kNone) count_lease_anew(leases_[i]);
}

void QueueCore::use_all_for_lease(LeaseRecord& lease, LimitLevel level, const LimitSubject& subject) {
  std::vector<Index> counters = limits_->find(level, subject);
  for (Index counter : counters) use_for_lease(lease, counter);
  limits_->drop(counters);
}

void QueueCore::count_lease_anew(LeaseRecord& lease) {
  lease.counters.clear();
  lease.item_counters.clear();
  lease.refused.clear();
  stop_waiting(lease);
  lease.pass = kNone;
  LimitSubject subject;
  subject.destination = destinations_[lease.destination].to.get();
  use_all_for_lease(lease, LimitLevel::grant, subject);
  lease.granted = lease.counters.size();
  lease.provider = limits_->provider_of(lease.tags);
  subject.tags = &lease.tags;
  subject.provider = lease.provider;
  use_all_for_lease(lease, LimitLevel::admit, subject);
  if (lease.item == kNone || items_[lease.item].flow == kNone) return;
  subject = subject_of(ready_.flow(items_[lease.item].flow), &lease);
  for (LimitLevel level : {LimitLevel::flow, LimitLevel::joint})
    for (Index counter : limits_->find(level, subject)) {
      limits_->take_connection(counter);
      lease.item_counters.push_back(counter);
    }
}

// Waiting items are routed anew, a bounded number at a time; scheduled ones when they are due.
Task<void> QueueCore::reroute_waiting() {
  uint32_t generation = routes_generation_;
  for (Index i = 0; i < items_.end() && generation == routes_generation_; ++i) {
    if (items_[i].message != kNone && items_[i].state == ItemState::ready) reroute_if_stale(i);
    if (i % kWalkedPerTurn == kWalkedPerTurn - 1) co_await sleep_for(loop_, Millis(0));
    while (to_route_.size() > kMostToRoute) co_await sleep_for(loop_, Millis(1));
  }
}

Task<void> QueueCore::watch_anew() {
  SettingsPtr settings = settings_;
  for (Index i = 0; i < messages_.end() && settings == settings_; ++i) {
    if (messages_[i].id && watches_.has(i)) watch(i, false);
    if (i % kWalkedPerTurn == kWalkedPerTurn - 1) co_await sleep_for(loop_, Millis(0));
  }
}

}  // namespace veredus::queue_detail
