// Suspension of destinations by name or recipient domain. Kept in memory: a restart lifts all of them.
#include "log/events.h"
#include "queue/queue_core.h"

namespace veredus::queue_detail {

// A flow of a shared next hop is suspended by its recipients' domain.
void QueueCore::suspend_if_told(Index flow) {
  std::string_view domain = names_.text(ready_.flow(flow).key.domain);
  bool told = false;
  for (const auto& [pattern, by] : suspensions_)
    told = told || (!domain.empty() && matches_name(pattern, domain));
  if (told != ready_.flow(flow).suspended) ready_.suspend(flow, told);
}

uint64_t QueueCore::suspend(const std::string& pattern, std::string by) {
  if (by.empty()) by = "administrator";
  std::erase_if(suspensions_, [&](const auto& entry) { return entry.first == pattern; });
  suspensions_.emplace_back(pattern, by);
  log_.write(events::kQueueSuspended, {{"destination", pattern}, {"by", by}});
  return apply_suspensions(pattern);
}

uint64_t QueueCore::resume(const std::string& pattern) {
  auto lifted = [&](const std::pair<std::string, std::string>& entry) {
    return pattern == "*" || entry.first == pattern;
  };
  if (std::erase_if(suspensions_, lifted) == 0) return 0;
  log_.write(events::kQueueResumed, {{"destination", pattern}});
  return apply_suspensions(pattern);
}

// Returns how many destinations the pattern touches.
uint64_t QueueCore::apply_suspensions(const std::string& pattern) {
  std::unordered_set<Index> touched;
  for (Index i = 0; i < destinations_.end(); ++i) {
    DestinationRecord& destination = destinations_[i];
    if (!destination.to) continue;
    destination.suspended_by.clear();
    for (const auto& [each, by] : suspensions_)
      if (matches_destination(each, *destination.to)) destination.suspended_by = by;
    if (matches_destination(pattern, *destination.to)) touched.insert(i);
    mark(i);
  }
  for (Index i = 0; i < ready_.flows().end(); ++i) {
    const FlowKey& key = ready_.flow(i).key;
    if (key.destination == kNone) continue;
    suspend_if_told(i);
    if (key.domain != 0 && matches_name(pattern, names_.text(key.domain))) touched.insert(key.destination);
  }
  return touched.size();
}

bool QueueCore::matches_destination(std::string_view pattern, const Destination& destination) const {
  return matches_name(pattern, destination.name) ||
         (!destination.domain.empty() && matches_name(pattern, destination.domain));
}

std::vector<DestinationInfo> QueueCore::destinations() const {
  std::vector<DestinationInfo> out;
  std::vector<size_t> places(destinations_.end());
  for (Index i = 0; i < destinations_.end(); ++i) {
    if (!destinations_[i].to) continue;
    places[i] = out.size();
    out.push_back(info_of(destinations_[i]));
  }
  for (Index i = 0; i < ready_.flows().end(); ++i) {
    const Flow& flow = ready_.flow(i);
    if (flow.key.destination == kNone) continue;
    DestinationInfo& info = out[places[flow.key.destination]];
    info.waiting += flow.users;
    if (!flow.suspended || info.suspended) continue;
    info.suspended = true;
    for (const auto& [pattern, by] : suspensions_)
      if (matches_name(pattern, names_.text(flow.key.domain))) info.suspended_by = by;
  }
  for (DestinationInfo& info : out) info.waiting -= std::min(info.waiting, info.in_hand);
  return out;
}

DestinationInfo QueueCore::info_of(const DestinationRecord& destination) const {
  DestinationInfo info;
  info.name = destination.to->name;
  info.in_hand = destination.in_hand;
  info.connections = destination.leases;
  info.suspended = !destination.suspended_by.empty();
  info.suspended_by = destination.suspended_by;
  if (destination.level > 0) info.next_attempt = wall_of(destination.not_before);
  if (destination.last_reply.code != 0) info.last_reply = destination.last_reply.joined();
  return info;
}

}  // namespace veredus::queue_detail
