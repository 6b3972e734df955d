// Rings within rings: destination, tenant, flow, item.
#include "queue/ready_queues.h"

namespace veredus::queue_detail {

namespace {

template <typename Record>
void link_last(Pool<Record>& records, Index& ring, Index index) {
  Record& record = records[index];
  if (ring == kNone) {
    ring = record.previous = record.next = index;
    return;
  }
  Record& current = records[ring];
  record.next = ring;
  record.previous = current.previous;
  records[current.previous].next = index;
  current.previous = index;
}

template <typename Record>
void unlink(Pool<Record>& records, Index& ring, Index index) {
  Record& record = records[index];
  if (record.next == index) {
    ring = kNone;
  } else {
    records[record.previous].next = record.next;
    records[record.next].previous = record.previous;
    if (ring == index) ring = record.next;
  }
  record.previous = record.next = kNone;
}

int16_t turns_of(uint8_t priority) {
  return static_cast<int16_t>(1 + priority / 10);
}

}  // namespace

uint64_t ReadyQueues::hash_of(const FlowKey& key) const {
  uint64_t hash = mixed(uint64_t{key.destination} << 32 | key.tenant);
  hash = mixed(hash ^ (uint64_t{key.account} << 32 | key.domain));
  return mixed(hash ^ (uint64_t{key.stream} << 8 | key.priority));
}

Index ReadyQueues::flow_for(const FlowKey& key) {
  Index found = by_key_.find(hash_of(key), [&](Index i) { return flows_[i].key == key; });
  if (found != kNone) return found;
  Index index = flows_.take();
  Flow& flow = flows_[index];
  flow.key = key;
  for (Index name : {key.tenant, key.account, key.stream, key.domain}) names_.take(names_.text(name));
  flow.tenant = tenant_for(key.destination, key.tenant);
  ++tenants_[flow.tenant].flows;
  ++destinations_[key.destination].flows;
  by_key_.insert(index, [this](Index i) { return hash_of(flows_[i].key); });
  return index;
}

Index ReadyQueues::tenant_for(Index destination, Index tenant) {
  auto [place, fresh] = tenant_index_.try_emplace(uint64_t{destination} << 32 | tenant, kNone);
  if (fresh) {
    place->second = tenants_.take();
    tenants_[place->second].destination = destination;
    tenants_[place->second].tenant = tenant;
  }
  return place->second;
}

void ReadyQueues::drop_flow(Index index) {
  Flow& flow = flows_[index];
  by_key_.erase(index, [this](Index i) { return hash_of(flows_[i].key); });
  for (Index name : {flow.key.tenant, flow.key.account, flow.key.stream, flow.key.domain}) names_.drop(name);
  --destinations_[flow.key.destination].flows;
  TenantFlows& tenant = tenants_[flow.tenant];
  if (--tenant.flows == 0) {
    tenant_index_.erase(uint64_t{tenant.destination} << 32 | tenant.tenant);
    tenants_.give_back(flow.tenant);
  }
  flows_.give_back(index);
}

void ReadyQueues::push(Index index, bool in_front) {
  ItemRecord& item = items_[index];
  Flow& flow = flows_[item.flow];
  DestinationRecord& destination = destinations_[flow.key.destination];
  item.previous = in_front ? kNone : flow.tail;
  item.next = in_front ? flow.head : kNone;
  (item.previous == kNone ? flow.head : items_[item.previous].next) = index;
  (item.next == kNone ? flow.tail : items_[item.next].previous) = index;
  ++flow.ready;
  ++destination.ready;
  if (flow.active)
    ++destination.eligible;
  else
    update(item.flow);
}

void ReadyQueues::remove(Index index) {
  ItemRecord& item = items_[index];
  Flow& flow = flows_[item.flow];
  DestinationRecord& destination = destinations_[flow.key.destination];
  (item.previous == kNone ? flow.head : items_[item.previous].next) = item.next;
  (item.next == kNone ? flow.tail : items_[item.next].previous) = item.previous;
  item.previous = item.next = kNone;
  --destination.ready;
  if (flow.active) --destination.eligible;
  if (--flow.ready == 0) update(item.flow);
}

// Active = has items and nothing stops it.
void ReadyQueues::update(Index index) {
  Flow& flow = flows_[index];
  bool wanted = flow.ready > 0 && !flow.blocked && !flow.suspended;
  if (wanted == flow.active) return;
  if (wanted)
    activate(index);
  else
    deactivate(index);
}

void ReadyQueues::activate(Index index) {
  Flow& flow = flows_[index];
  TenantFlows& tenant = tenants_[flow.tenant];
  DestinationRecord& destination = destinations_[flow.key.destination];
  if (tenant.ring == kNone) {
    tenant.deficit = 0;
    link_last(tenants_, destination.ring, flow.tenant);
  }
  link_last(flows_, tenant.ring, index);
  flow.deficit = 0;
  flow.active = true;
  destination.eligible += flow.ready;
}

void ReadyQueues::deactivate(Index index) {
  Flow& flow = flows_[index];
  TenantFlows& tenant = tenants_[flow.tenant];
  DestinationRecord& destination = destinations_[flow.key.destination];
  unlink(flows_, tenant.ring, index);
  flow.active = false;
  destination.eligible -= flow.ready;
  if (tenant.ring == kNone) unlink(tenants_, destination.ring, flow.tenant);
}

void ReadyQueues::block(Index index) {
  flows_[index].blocked = true;
  update(index);
}

void ReadyQueues::unblock(Index index) {
  flows_[index].blocked = false;
  update(index);
}

void ReadyQueues::suspend(Index index, bool on) {
  flows_[index].suspended = on;
  update(index);
}

// The flow whose turn it is; kNone when a turn had to be given on because of an earlier costly item.
Index ReadyQueues::in_turn(DestinationRecord& destination) {
  TenantFlows& tenant = tenants_[destination.ring];
  if (tenant.deficit <= 0 && ++tenant.deficit <= 0) {
    destination.ring = tenant.next;
    return kNone;
  }
  Flow& flow = flows_[tenant.ring];
  if (flow.deficit <= 0) flow.deficit = static_cast<int16_t>(flow.deficit + turns_of(flow.key.priority));
  if (flow.deficit > 0) return tenant.ring;
  tenant.ring = flow.next;
  return kNone;
}

void ReadyQueues::pass_over(DestinationRecord& destination, Index index) {
  TenantFlows& tenant = tenants_[flows_[index].tenant];
  tenant.ring = flows_[index].next;
  destination.ring = tenant.next;
}

Index ReadyQueues::take(Index index) {
  Flow& flow = flows_[index];
  TenantFlows& tenant = tenants_[flow.tenant];
  DestinationRecord& destination = destinations_[flow.key.destination];
  Index item = flow.head;
  auto cost = static_cast<int16_t>(std::clamp(items_[item].recipients.size(), 1u, kMostCost));
  flow.deficit = static_cast<int16_t>(flow.deficit - cost);
  tenant.deficit = static_cast<int16_t>(tenant.deficit - cost);
  remove(item);
  if (flow.active && flow.deficit <= 0 && tenant.ring == index) tenant.ring = flow.next;
  if (tenant.ring != kNone && tenant.deficit <= 0 && destination.ring == flow.tenant)
    destination.ring = tenant.next;
  return item;
}

std::vector<Index> ReadyQueues::ahead(const DestinationRecord& destination, size_t at_most) const {
  std::vector<Index> found;
  bool alone = destination.ring != kNone && tenants_[destination.ring].next == destination.ring &&
               flows_[tenants_[destination.ring].ring].next == tenants_[destination.ring].ring;
  size_t of_each = alone ? at_most : 4;
  each_active(destination, [&](Index flow) {
    Index item = flows_[flow].head;
    for (size_t i = 0; i < of_each && item != kNone && found.size() < at_most; ++i, item = items_[item].next)
      found.push_back(item);
    return found.size() < at_most;
  });
  return found;
}

std::string_view ReadyQueues::tenant_in_turn(const DestinationRecord& destination) const {
  return destination.ring == kNone ? std::string_view() : names_.text(tenants_[destination.ring].tenant);
}

}  // namespace veredus::queue_detail
