// The small records of the queue: a message, a queue item, a flow (items that pass the same limits and take
// turns together), a tenant's flows at one destination, a destination, a lease. Plain data linked by indices;
// who changes what is in the .cc files of QueueCore. Belongs to the queue loop.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "loop/remote.h"
#include "queue/pool.h"
#include "queue/queue.h"

namespace veredus::queue_detail {

using MessagePtr = std::shared_ptr<const Message>;
using EnvelopePtr = std::shared_ptr<const Envelope>;

// Indices of recipients; one needs no allocation.
class RecipientSet {
 public:
  RecipientSet() = default;
  RecipientSet(RecipientSet&& other) noexcept : bits_(std::exchange(other.bits_, 0)) {}
  RecipientSet& operator=(RecipientSet&& other) noexcept {
    std::swap(bits_, other.bits_);
    return *this;
  }
  ~RecipientSet() { delete[] array(); }

  void assign(std::span<const uint32_t> recipients);
  std::vector<uint32_t> list() const;
  uint32_t size() const { return bits_ == 0 ? 0 : bits_ & 1 ? 1 : array()[0]; }
  bool has(uint32_t recipient) const;

 private:
  // Nothing, or an index shifted over a set low bit, or an array whose first element is the count.
  uint32_t* array() const { return bits_ & 1 ? nullptr : reinterpret_cast<uint32_t*>(bits_); }
  uintptr_t bits_ = 0;
};

struct MessageRecord {
  MessageId id;  // none = free slot
  WallTime arrived{};
  uint64_t size = 0;
  uint32_t generation = 1;
  Index first_item = kNone;
  Index watch = kNone;     // place in the heap of expiries and delay warnings
  Index resident = kNone;  // contents in memory
  uint32_t open = 0;       // recipients without a final state
  Index tenant = 0;
  Index sender_domain = 0;
  bool null_sender = false;
  bool delay_warned = false;
  bool watched = false;  // a report about its age is being made
  bool expired = false;
};

enum class ItemState : uint8_t { routing, ready, scheduled, in_hand, reporting, held };

struct ItemRecord {
  Index message = kNone;  // none = free slot
  uint32_t generation = 1;
  Index sibling = kNone;                 // next item of the message
  Index flow = kNone;                    // none: not routed
  Index previous = kNone, next = kNone;  // in its flow while ready
  Index due = kNone;                     // place in the schedule while scheduled
  uint32_t joined = 0;                   // the destination's failures already counted in `attempts`
  uint32_t routed = 0;                   // generation of the routes
  uint16_t attempts = 0;
  ItemState state = ItemState::routing;
  uint8_t returns : 4 = 0;         // times it came back untried, one after the other
  uint8_t keeps_resident : 1 = 0;  // counted as a user of the contents in memory
  uint8_t ordered : 1 = 0;         // an administrator's order waits for it
  RecipientSet recipients;
};

struct FlowKey {
  Index destination = kNone, tenant = 0, account = 0, stream = 0, domain = 0;
  uint8_t priority = 50;
  bool operator==(const FlowKey&) const = default;
};

struct Flow {
  FlowKey key;  // no destination = free slot
  uint32_t generation = 1;
  Index tenant = kNone;  // TenantFlows
  Index head = kNone, tail = kNone;
  uint32_t ready = 0;                    // items in it
  uint32_t users = 0;                    // items that point here, in whatever state
  Index previous = kNone, next = kNone;  // ring of active flows of the tenant
  int16_t deficit = 0;
  bool active = false;
  bool blocked = false;  // waits for room under a limit
  bool suspended = false;
  bool swept = false;                          // in the list of flows that may be dropped
  Index pass = kNone;                          // counter that called it next
  std::unique_ptr<std::vector<Index>> limits;  // counters; null = to be found
};

struct TenantFlows {
  uint32_t generation = 1;
  Index destination = kNone, tenant = 0;
  Index ring = kNone;                    // the active flow whose turn it is
  Index previous = kNone, next = kNone;  // ring of active tenants of the destination
  uint32_t flows = 0;
  int16_t deficit = 0;
};

struct DestinationRecord {
  uint32_t generation = 1;
  std::shared_ptr<const Destination> to;  // null = free slot
  uint32_t flows = 0;
  uint32_t leases = 0, opening = 0, connected = 0;
  uint32_t ready = 0;     // waiting items, blocked ones too
  uint32_t eligible = 0;  // of these, in active flows
  uint32_t in_hand = 0;
  uint32_t window = 0;    // leases allowed for now; 0 = never connected
  uint32_t failures = 0;  // connection failures ever
  int64_t youngest = 0;   // bound on (failures at joining - attempts) over the waiting items
  uint32_t level = 0;     // consecutive failures; 0 = works
  MonoTime last_failure{};
  Reply last_reply;
  Index probe = kNone;    // place in the heap of destinations to be tried again
  MonoTime not_before{};  // no lease before this
  Index ring = kNone;     // the tenant whose turn it is
  Index idle = kNone;     // first lease that waits for work
  Index pass = kNone;
  bool blocked = false;    // waits for room under a limit on connections
  bool has_pairs = false;  // something waits for a counter of item and connection together
  bool dirty = false;
  bool swept = false;
  bool cold = false;         // items whose contents are not in memory are being handed out
  bool failing = false;      // all waiting items are being refused for good
  std::string suspended_by;  // empty = not suspended
};

struct LeaseRecord {
  using Asker = Remote<std::optional<Attempt>>::Promise;

  uint32_t generation = 1;
  Index destination = kNone;  // none = free slot
  Index item = kNone;         // in hand
  MessagePtr message;         // of the item in hand
  uint32_t messages = 0;
  uint32_t most_messages = UINT32_MAX;
  uint32_t progress = 0;  // attempts that reached a reply
  bool connected = false;
  bool idle = false;
  bool waiting = false;                  // listed by a counter that has no room
  Index previous = kNone, next = kNone;  // idle leases of the destination
  Index idle_until = kNone;              // place in the heap of idle leases
  MonoTime idle_deadline = MonoTime::max();
  std::vector<Index> waits_for;  // counters, while `waiting`
  Index pass = kNone;
  uint32_t failures_before = 0;  // the destination's, when it was granted
  size_t granted = 0;            // of `counters`, those taken before the connection's end was known
  std::vector<Index> refused;    // the counter that had no room for it
  std::vector<Index> counters;
  std::vector<Index> item_counters;  // held for the item in hand
  LeaseTags tags;
  std::string provider;
  std::optional<Asker> asker;
};

// What is asked of recipients of an item that is in somebody's hand: carried out when it comes back.
struct Order {
  QueueAction action = QueueAction::hold;
  std::string by;
  std::vector<uint32_t> recipients;
  std::vector<uint32_t> of(const RecipientSet& item) const;  // those that are in the item
};
using Orders = std::vector<Order>;  // the newest last: it wins

struct Resident {
  uint32_t generation = 1;
  MessagePtr message;  // null while it is being read
  uint64_t cost = 0;
  uint32_t users = 0;
};

}  // namespace veredus::queue_detail
