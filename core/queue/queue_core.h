// QueueCore: the queue itself, on its loop. Everything that happens changes records and marks destinations;
// at the end of the turn settle() hands out work, so nothing is re-entered. An item in state routing, in_hand
// or reporting belongs to the coroutine or lease that has it; everybody else leaves it alone. Parts:
// intake.cc, leases.cc, handing.cc, outcomes.cc, destinations.cc, ages.cc, contents.cc, recovery.cc,
// admin.cc, suspensions.cc, lifecycle.cc.
#pragma once

#include <deque>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "base/text.h"

#include "log/log.h"
#include "loop/scope.h"
#include "queue/flat_index.h"
#include "queue/interner.h"
#include "queue/limit_book.h"
#include "queue/mail_queue.h"
#include "queue/merged_ids.h"
#include "queue/published.h"
#include "queue/ready_queues.h"
#include "queue/records.h"
#include "queue/retry_plan.h"
#include "queue/routing_batch.h"
#include "queue/time_heap.h"

namespace veredus::queue_detail {

class QueueCore final : TurnEnd {
 public:
  QueueCore(Loop& loop, Spool& spool, Log& log, SettingsPtr settings, uint64_t seed);
  ~QueueCore();
  void connect(Router& router, Courier& courier, Reporter& reporter);
  void on_finished(OnFinished callback) { on_finished_ = std::move(callback); }

  void add(MessagePtr message);
  Task<Status> recover();
  void start();
  void reconfigure(SettingsPtr settings);
  Task<void> drain(Deadline deadline);
  Task<std::vector<StoredMessage>> list(QueueFilter filter, size_t at_most);
  Task<Result<uint64_t>> act(QueueFilter filter, QueueAction action, std::string by);
  std::vector<DestinationInfo> destinations() const;
  uint64_t suspend(const std::string& pattern, std::string by);
  uint64_t resume(const std::string& pattern);
  QueueCounters counters() const { return published_.read(); }

  bool admit(LeaseId lease, LeaseTags tags);
  void next(LeaseId lease, std::optional<AttemptResult> previous, LeaseRecord::Asker asker, Deadline idle);
  void end(LeaseId lease, LeaseEnd how, const Reply& failure, std::optional<AttemptResult> last);

 private:
  struct Sorted {
    std::vector<RecipientOutcome> done, failed, deferred, held, moved;
    std::vector<uint32_t> untried;
  };
  struct FullPair {  // a counter of item and connection together, without room
    Index counter, tenant;
  };
  struct Ending {
    RecipientState state;
    Reply reply;
    std::string remote, rule;
    std::string tls{};
  };

  // intake.cc: messages become items at destinations
  Index take_message(const Envelope& envelope, uint64_t size, uint32_t open);
  Task<void> route_message(Index message, EnvelopePtr envelope, MessagePtr content,
                           std::vector<Pending> pending, Orders orders = {});
  void give_to_items(Index message, const EnvelopePtr& envelope, const MessagePtr& content, Batch& batch);
  void obey_in_batch(Index message, const Envelope& envelope, Batch& batch);
  void set_aside(Index message, const Envelope& envelope, const Routed& routed, const std::vector<Pending>& group);
  void place(Index message, const Envelope& envelope, const std::shared_ptr<const Destination>& to,
             const std::vector<Pending>& group);
  void unroutable(Index message, EnvelopePtr envelope, MessagePtr content, std::vector<Pending> group,
                  Reply failure);
  FlowKey flow_key(Index destination, const Envelope& envelope, std::string_view domain);
  bool keeps_domain_apart(std::string_view domain) const;
  Index new_item(Index message, std::vector<uint32_t> recipients, uint16_t attempts);
  void drop_item(Index item);
  void leave_flow(Index item);
  bool reroute_if_stale(Index item);
  void route_later(Index item);
  void route_some();
  bool can_route_more() const;
  Task<void> route_again(uint64_t item);

  // leases.cc: connections come and go
  void pump(Index destination);
  void serve_idle(const DestinationRecord& destination);
  bool wants_lease(const DestinationRecord& destination) const;
  bool grant(Index destination);
  Index first_without_room(const std::vector<Index>& counters, Index pass) const;
  std::vector<Index> full_for(const LeaseRecord& lease) const;
  void use_for_lease(LeaseRecord& lease, Index counter);
  void end_pass(Index& pass);
  void wait_for(Index counter, Index destination, bool in_front);
  bool must_close(const LeaseRecord& lease) const;
  bool contended(const LeaseRecord& lease) const;
  void set_idle(Index lease);
  void unset_idle(Index lease);
  void close_idle(Index lease);
  void lost(Index lease, const Reply& failure);
  void release_counters(std::vector<Index>& counters, size_t from);
  void free_lease(Index lease);
  void dispatch(Index counter);
  bool call_waiter(Index counter, const LimitWaiter& waiter);

  // handing.cc: an item is chosen for a lease and handed out
  bool serve(Index lease);
  void wait_as_lease(Index lease, Index counter, std::string_view tenant);
  void stop_waiting(LeaseRecord& lease);
  void look_again(Index destination);
  Choice consider(Index lease, Index flow, std::vector<FullPair>& full);
  Index first_full(Index lease, const Flow& flow, const std::vector<Index>& counters);
  void take_room(LeaseRecord& lease);
  void block_flow(Index flow, Index counter);
  void find_limits(Index flow);
  LimitSubject subject_of(const Flow& flow, const LeaseRecord* lease) const;
  void hand(Index lease, Index item);
  void answer(Index lease, MessagePtr message);

  // contents.cc: message contents in memory
  void keep_content(Index message, const MessagePtr& content, uint32_t users);
  bool make_room(uint64_t cost);
  void forget_released();
  bool tried_soon(Index message) const;
  void add_user(Index item);
  void drop_user(Index item);
  void drop_content_user(Index message);
  void drop_resident(Index message);
  void prefetch(Index destination);
  Task<void> prefetch_one(uint64_t message, uint64_t resident);
  Task<Result<MessagePtr>> load_content(Index message);
  Task<void> hand_loaded(LeaseId lease, uint64_t item);

  // outcomes.cc: what became of an attempt
  Index release_item(Index lease);
  void apply_result(Index lease, AttemptResult result);
  Sorted sorted(Index item, AttemptResult& result);
  void sort_outcomes(Index item, AttemptResult& result, const MessagePtr& message);
  Index part_of(Index item, std::vector<uint32_t> recipients, bool* taken);
  Index split_off(Index item, std::vector<uint32_t> recipients);
  void give_back_untried(Index item, const MessagePtr& message);
  void defer(Index item, const Envelope& envelope, const std::vector<RecipientOutcome>& outcomes);
  MonoTime first_chance(Index message, const Envelope& envelope) const;
  void schedule(Index item, MonoTime when);
  void make_ready(Index item, bool in_front, bool was_due);
  void came_back(Index item);
  Task<void> move_item(uint64_t item, MessagePtr message, std::vector<RecipientOutcome> moved);
  void hold_item(Index item, const std::string& reason, const std::string& by);
  Task<void> report_failed(uint64_t item, MessagePtr message, std::vector<RecipientOutcome> failed);
  void report_not_made(Index item, const Error& error, const MessagePtr& message,
                       const std::vector<RecipientOutcome>& failed);
  Task<void> report_success(MessagePtr message, ReportKind kind, std::vector<ReportedRecipient> recipients);
  void finish_done(Index item, std::vector<RecipientOutcome>& done, const MessagePtr& message);
  void finish(Index item, const Envelope& envelope, uint32_t recipient, const Ending& ending);
  void close_message(Index message);
  void record_state(Index item, uint32_t recipient, RecipientStatus status);
  std::string_view destination_name(const ItemRecord& item) const;
  uint16_t attempts_of(const ItemRecord& item) const;

  // destinations.cc
  Index destination_for(const std::shared_ptr<const Destination>& to);
  void mark(Index destination);
  void connected(Index destination);
  void works(Index destination);
  void failed(Index destination, const Reply& failure);
  void record_waiting(Index destination);
  void log_waiting(Index item, const DestinationRecord& destination);
  void joined_waiting(Index item, bool was_due);
  void probe_by(Index destination, MonoTime when);
  void count_failures(ItemRecord& item);
  void unready(Index item);
  Task<void> fail_waiting(uint64_t destination, Reply failure);
  void fail_one(Index destination, const Reply& failure);
  void sweep_later(Index flow);
  void sweep();
  void sweep_destination();

  // ages.cc: timers, expiry and delay warnings
  static void timer_fired(void* self);
  void on_time();
  void item_due(Index item);
  void watch(Index message, bool give_a_chance);
  void too_old(Index message);
  bool is_expired(const MessageRecord& message) const;
  bool warning_due(const MessageRecord& message) const;
  Millis lifetime(const MessageRecord& message) const;
  std::vector<uint64_t> take_waiting(Index message);
  std::vector<uint64_t> waiting_items(Index message) const;
  std::vector<ReportedRecipient> with_last_replies(const std::vector<uint64_t>& items,
                                                   const StoredMessage& stored, WallTime retry_until) const;
  Task<void> expire(uint64_t message, std::vector<uint64_t> items);
  bool hold_if_lost(const std::vector<uint64_t>& items, const Error& error);
  void expiry_not_reported(Index message, const std::vector<uint64_t>& items, const Error& error);
  Task<void> warn(uint64_t message);
  void warned(Index message, const StoredMessage& stored);
  bool ageing_is_full() const;
  MonoTime mono_of(WallTime when) const;
  WallTime wall_of(MonoTime when) const;

  // lifecycle.cc
  void turn_end() override;
  void settle();
  void arm();
  void check_balance();
  Task<void> reroute_waiting();
  Task<void> watch_anew();
  void rebuild_limits();
  void use_all_for_lease(LeaseRecord& lease, LimitLevel level, const LimitSubject& subject);
  void count_lease_anew(LeaseRecord& lease);

  // recovery.cc
  void adopt(const StoredMessage& stored);
  Pending pending_of(uint32_t recipient, const RecipientStatus& status) const;
  void route_when_due(Index message, std::vector<Pending> pending);

  // admin.cc, suspensions.cc
  Index find_message(MessageId id) const;
  bool may_match(const QueueFilter& filter, const MessageRecord& message) const;
  bool item_may_match(const QueueFilter& filter, const ItemRecord& item) const;
  bool matches(const QueueFilter& filter, const ItemRecord& item, const Envelope& envelope,
               uint32_t recipient) const;
  bool any_matches(const QueueFilter& filter, Index message, const Envelope& envelope) const;
  Task<MergedIds> candidates(QueueFilter filter);
  void show_present(Index message, StoredMessage& stored) const;
  uint64_t act_on(Index message, const Envelope* envelope, const QueueFilter& filter, QueueAction action,
                  const std::string& by);
  bool act_on_item(Index item, const Envelope* envelope, const QueueFilter& filter, QueueAction action,
                   const std::string& by);
  static const EventDef* event_of(QueueAction action);
  Index take_out(Index item, const std::vector<uint32_t>& recipients);
  void carry_out(Index item, const Envelope* envelope, QueueAction action, const std::string& by);
  void try_now(Index item);
  void release(Index item);
  uint64_t order_in_batches(Index message, const Envelope* envelope, const QueueFilter& filter, QueueAction action,
                            const std::string& by);
  bool matches_unrouted(const QueueFilter& filter, const Envelope& envelope, uint32_t recipient) const;
  void give_order(Index item, Order order);
  Orders take_orders(Index item);
  Index separate(Index item, const std::vector<uint32_t>& recipients);
  bool obey_order(Index item, const Envelope& envelope);
  Task<void> obey_later(uint64_t item);
  void suspend_if_told(Index flow);
  uint64_t apply_suspensions(const std::string& pattern);
  bool matches_destination(std::string_view pattern, const Destination& destination) const;
  DestinationInfo info_of(const DestinationRecord& destination) const;

  Loop& loop_;
  Spool& spool_;
  Log& log_;
  SettingsPtr settings_;
  Router* router_ = nullptr;
  Courier* courier_ = nullptr;
  Reporter* reporter_ = nullptr;
  OnFinished on_finished_;

  Interner names_;
  Pool<MessageRecord> messages_;
  Pool<ItemRecord> items_;
  Pool<DestinationRecord> destinations_;
  Pool<LeaseRecord> leases_;
  Pool<Resident> residents_;
  FlatIndex by_id_;
  std::unordered_map<std::string, Index> by_name_;  // destinations
  ReadyQueues ready_{items_, destinations_, names_};
  std::unique_ptr<LimitBook> limits_;
  TimeHeap<ItemRecord, &ItemRecord::due> schedule_{items_};
  TimeHeap<MessageRecord, &MessageRecord::watch> watches_{messages_};
  TimeHeap<DestinationRecord, &DestinationRecord::probe> probes_{destinations_};
  TimeHeap<LeaseRecord, &LeaseRecord::idle_until> idle_{leases_};
  RetryPlan retry_;
  std::vector<Index> dirty_;       // destinations to be looked at when the turn ends
  std::deque<uint64_t> kept_;      // messages with contents in memory, oldest first
  std::deque<uint64_t> to_route_;  // items
  std::deque<uint64_t> swept_flows_;
  std::deque<Index> swept_destinations_;
  std::vector<std::pair<std::string, std::string>> suspensions_;  // pattern, by
  std::unordered_map<uint64_t, Orders> orders_;                   // by item
  Batches batches_;                                               // being routed
  std::vector<StateChange> changes_;                              // of this turn
  QueueCounters counts_;
  Published published_;
  uint64_t resident_octets_ = 0;
  uint64_t in_hand_ = 0;
  uint32_t routing_ = 0, rerouting_ = 0, reporting_ = 0, ageing_ = 0, prefetching_ = 0;
  uint32_t routes_generation_ = 1;
  bool started_ = false, draining_ = false, domains_matter_ = false;
  Timer timer_;
  MonoTime armed_ = MonoTime::max();
  Event quiet_;
  Scope scope_;
};

}  // namespace veredus::queue_detail
