// ReadyQueues: the items that could be tried now, by destination, in an order fair between tenants (deficit
// round robin), then within a tenant over accounts, streams and priorities, a higher priority getting more
// turns. A flow that waits for room under a limit, or is suspended, leaves the rings, so that nothing waits
// behind it. Belongs to the queue loop.
#pragma once

#include <unordered_map>

#include "queue/flat_index.h"
#include "queue/interner.h"
#include "queue/records.h"

namespace veredus::queue_detail {

enum class Choice : uint8_t { take, skip, gone, stop };  // gone: the flow left the ring

class ReadyQueues {
 public:
  ReadyQueues(Pool<ItemRecord>& items, Pool<DestinationRecord>& destinations, Interner& names)
      : items_(items), destinations_(destinations), names_(names) {}

  Index flow_for(const FlowKey& key);  // found or made; takes its names over when made
  void drop_flow(Index flow);          // without items and users

  void push(Index item, bool in_front);  // item.flow is set
  void remove(Index item);
  void block(Index flow);
  void unblock(Index flow);
  void suspend(Index flow, bool on);

  Flow& flow(Index index) { return flows_[index]; }
  const Flow& flow(Index index) const { return flows_[index]; }
  Pool<Flow>& flows() { return flows_; }
  const Pool<Flow>& flows() const { return flows_; }
  std::string_view tenant_in_turn(const DestinationRecord& destination) const;

  // Offers flows in turn until one is taken; the item is removed. kNone: none was.
  template <typename Offer>
  Index pick(DestinationRecord& destination, Offer offer) {
    for (int looked = 0; looked < kMostLooked && destination.ring != kNone;) {
      Index flow = in_turn(destination);
      if (flow == kNone) continue;
      Choice choice = offer(flow);
      if (choice == Choice::take) return take(flow);
      if (choice == Choice::stop) return kNone;
      if (choice == Choice::skip) pass_over(destination, flow);
      ++looked;
    }
    return kNone;
  }

  Index take(Index flow);  // the head of this flow, which is active
  std::vector<Index> ahead(const DestinationRecord& destination,
                           size_t at_most) const;  // roughly those next in turn
  template <typename Visit>
  void each_active(const DestinationRecord& destination,
                   Visit visit) const {  // visit(flow) returns false to stop
    Index tenant = destination.ring;
    while (tenant != kNone) {
      Index flow = tenants_[tenant].ring;
      do {
        if (!visit(flow)) return;
        flow = flows_[flow].next;
      } while (flow != tenants_[tenant].ring);
      tenant = tenants_[tenant].next;
      if (tenant == destination.ring) return;
    }
  }

 private:
  static constexpr int kMostLooked = 64;
  static constexpr uint32_t kMostCost = 16;

  Index in_turn(DestinationRecord& destination);
  void pass_over(DestinationRecord& destination, Index flow);
  void activate(Index flow);
  void deactivate(Index flow);
  void update(Index flow);
  Index tenant_for(Index destination, Index tenant);
  uint64_t hash_of(const FlowKey& key) const;

  Pool<ItemRecord>& items_;
  Pool<DestinationRecord>& destinations_;
  Interner& names_;
  Pool<Flow> flows_;
  Pool<TenantFlows> tenants_;
  FlatIndex by_key_;
  std::unordered_map<uint64_t, Index> tenant_index_;
};

}  // namespace veredus::queue_detail
