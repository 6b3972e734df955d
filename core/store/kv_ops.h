// What the operations mean, for every store that keeps its entries itself: checks, and the change of one entry. Values; any thread.
#pragma once

#include <span>

#include "store/kv.h"

namespace veredus::kv {

struct Slot {
  bool present = false;
  int64_t expires = 0;  // ms of the wall clock; 0 = never
  std::string value;

  bool live(int64_t now) const { return present && (expires == 0 || expires > now); }
};

Status check(std::string_view space, std::span<const KvOp> ops);  // names and the number of operations
Status check(const KvOp& op);

inline bool of_one_entry(KvOp::Kind kind) { return kind < KvOp::Kind::list; }
inline bool may_write(KvOp::Kind kind) { return kind != KvOp::Kind::get && of_one_entry(kind); }

// Carries out an operation of one entry; `changed` when the slot has to be stored.
KvAnswer apply(const KvOp& op, Slot& slot, int64_t now, bool& changed);

// The first key that does not begin with the prefix any more; empty: there is none.
std::string end_of_prefix(std::string prefix);

inline int64_t milliseconds(WallTime when) { return when.time_since_epoch().count(); }

}  // namespace veredus::kv
