// The twin in memory.
#include "store/memory_kv.h"

namespace veredus {

Task<Result<std::vector<KvAnswer>>> MemoryKv::run(Loop&, std::string space, std::vector<KvOp> ops, Deadline) {
  if (problem_) co_return *problem_;
  if (Status legal = kv::check(space, ops); !legal) co_return legal.error();
  std::vector<KvAnswer> answers;
  answers.reserve(ops.size());
  for (const KvOp& op : ops) answers.push_back(one(spaces_[space], op));
  co_return answers;
}

KvAnswer MemoryKv::one(Space& space, const KvOp& op) {
  if (Status legal = kv::check(op); !legal) return legal.error();
  int64_t now = kv::milliseconds(clock_.wall());
  if (!kv::of_one_entry(op.kind)) return list(space, op, now);
  kv::Slot& slot = space[op.key];
  bool changed = false;
  KvAnswer answer = kv::apply(op, slot, now, changed);
  if (!slot.present) space.erase(op.key);
  return answer;
}

KvAnswer MemoryKv::list(const Space& space, const KvOp& op, int64_t now) const {
  KvAnswer answer;
  bool listing = op.kind == KvOp::Kind::list;
  std::string end = kv::end_of_prefix(op.key);
  auto at = listing && op.value >= op.key ? space.upper_bound(op.value) : space.lower_bound(op.key);
  size_t octets = 0, seen = 0;
  for (; at != space.end() && (end.empty() || at->first < end); ++at) {
    const auto& [key, slot] = *at;
    if (!slot.live(now)) continue;
    octets += key.size() + slot.value.size();
    bool full = seen == op.limit || (listing && seen > 0 && octets > kKvMaxListedOctets);
    if (full && listing) answer.next = answer.entries.back().key;
    if (full) break;
    ++seen;
    if (listing) answer.entries.push_back({key, slot.value, Millis(slot.expires ? slot.expires - now : 0)});
  }
  answer.number = static_cast<int64_t>(seen);
  return answer;
}

}  // namespace veredus
