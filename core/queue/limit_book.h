// LimitBook: the counters of all limits on outbound work, and who waits for room under each, fairly between
// tenants. A limit counts connections, messages per connection and a rate, once per value of the keys in its
// `per`. Which keys a limit uses says when its counter is known: when a lease is granted, when the
// connection's end is known, when an item is chosen, or only for a pair of item and connection. Belongs to
// the queue loop.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "queue/queue.h"
#include "queue/time_heap.h"

namespace veredus::queue_detail {

enum class LimitLevel : uint8_t { grant, admit, flow, joint };

// What is known so far; absent things are empty.
struct LimitSubject {
  const Destination* destination = nullptr;
  std::string_view domain, tenant, account;
  const LeaseTags* tags = nullptr;
  std::string_view provider;
};

enum class WaiterKind : uint8_t { flow, lease, destination };

struct LimitWaiter {
  WaiterKind kind = WaiterKind::flow;
  uint64_t handle = 0;
};

struct Counter {
  uint32_t generation = 1;
  const LimitSettings* limit = nullptr;  // null = free slot
  std::string key;
  uint32_t users = 0;        // flows and leases that refer to it
  uint32_t connections = 0;  // in use
  uint32_t passes = 0;       // waiters called that have not come yet
  MonoTime passes_until{};
  int64_t next_token = 0;  // microseconds; the bucket as the time at which it would be full
  std::map<std::string, std::deque<LimitWaiter>, std::less<>> waiters;  // by tenant
  std::deque<std::string> turns;                                        // tenants in `waiters`
  Index wake = kNone;  // place in the heap of counters to look at again
  bool freed = false;
};

class LimitBook {
 public:
  explicit LimitBook(const Settings& settings);
  LimitBook(const LimitBook&) = delete;

  // The counters that apply; each has one more user until drop().
  std::vector<Index> find(LimitLevel level, const LimitSubject& subject);
  void use(const std::vector<Index>& counters);  // one more user of each
  void drop(const std::vector<Index>& counters);
  bool has_joint() const { return joint_; }
  std::string provider_of(const LeaseTags& tags) const;

  Counter& operator[](Index counter) { return counters_[counter]; }
  bool connection_free(Index counter) const;
  bool token_free(Index counter, MonoTime now) const;
  void take_connection(Index counter) { ++counters_[counter].connections; }
  void give_connection(Index counter);
  void take_token(Index counter, MonoTime now);
  bool has_connections(Index counter) const { return counters_[counter].limit->connections > 0; }
  bool has_rate(Index counter) const { return counters_[counter].limit->rate > 0; }
  bool contended(Index counter) const { return !counters_[counter].turns.empty(); }

  void wait(Index counter, std::string_view tenant, LimitWaiter waiter, bool in_front, MonoTime now);
  // The counter whose waiters should be looked at, if any; then each waiter in turn while there is room.
  Index take_freed();
  bool next_waiter(Index counter, MonoTime now, LimitWaiter* waiter);
  void give_pass(Index counter, MonoTime now);
  void end_pass(Index counter);

  MonoTime next_wake() const { return wakes_.first_time(); }
  void on_time(MonoTime now);
  size_t size() const { return counters_.live(); }

 private:
  struct Rule {
    LimitSettings limit;
    unsigned per = 0, used = 0;  // keys as bits
  };

  void add(const LimitSettings& limit);
  LimitLevel level_of(const Rule& rule, const LimitSubject& subject) const;
  bool applies(const Rule& rule, const LimitSubject& subject) const;
  Index counter_for(size_t rule, const LimitSubject& subject);
  bool room(const Counter& counter, MonoTime now) const;
  void schedule(Index counter, MonoTime now);
  void mark_freed(Index counter);

  std::vector<ProviderSettings> providers_;
  std::deque<Rule> rules_;
  bool joint_ = false;
  Pool<Counter> counters_;
  std::unordered_map<std::string, Index> by_key_;
  TimeHeap<Counter, &Counter::wake> wakes_{counters_};
  std::vector<Index> freed_;
};

// "a.test" exactly, ".a.test" any depth below, "*" all; a leading or trailing asterisk otherwise stands for
// anything there.
bool matches_name(std::string_view pattern, std::string_view name);

}  // namespace veredus::queue_detail
