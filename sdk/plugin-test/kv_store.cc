// Operations of core.kv as veredus/kv.h says.
#include "kv_store.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "abi_strings.h"

namespace veredus::ptest {

namespace {

constexpr size_t kLongestKey = 512, kLongestValue = 65'536;

bool flags_fit(const vrd_kv_op& op) {
  uint32_t allowed = op.kind == VRD_KV_PUT ? VRD_KV_IF_ABSENT : op.kind == VRD_KV_ADD ? VRD_KV_EXTEND : 0u;
  return (op.flags & ~allowed) == 0 && op.zero == 0;
}

bool bucket_fits(const vrd_kv_op& op) {
  if (op.kind != VRD_KV_TAKE) return true;
  return op.capacity >= 1 && op.rate >= 1 && op.number >= 0 && op.number <= op.capacity && op.capacity < INT64_MAX / 1'000'000;
}

}  // namespace

std::optional<KvStore::Operation> KvStore::read(const vrd_kv_op* op) {
  if (!op || op->size < sizeof(vrd_kv_op) || op->kind < VRD_KV_GET || op->kind > VRD_KV_TAKE) return std::nullopt;
  bool lengths = op->key.len >= 1 && op->key.len <= kLongestKey && op->value.len <= kLongestValue;
  if (!lengths || std::memchr(op->key.ptr, 0, op->key.len) || !flags_fit(*op) || !bucket_fits(*op)) return std::nullopt;
  return Operation{op->kind, op->flags, string_of(op->key), string_of(op->value), op->ttl_ms, op->number, op->capacity, op->rate};
}

KvStore::Entry* KvStore::find(const std::string& key) {
  auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  if (found->second.ends == 0 || found->second.ends > now_()) return &found->second;
  entries_.erase(found);
  return nullptr;
}

KvAnswer KvStore::run(const Operation& op) {
  Entry* entry = find(op.key);
  KvAnswer out;
  switch (op.kind) {
    case VRD_KV_GET:
      if (!entry) return KvAnswer{VRD_E_NOT_FOUND, 0, 0, {}};
      out.value = entry->value;
      return out;
    case VRD_KV_PUT:
      return put(op);
    case VRD_KV_REMOVE:
      if (entries_.erase(op.key) == 0) out.status = VRD_E_NOT_FOUND;
      return out;
    case VRD_KV_ADD:
      return add(op);
    default:
      return take(op);
  }
}

KvAnswer KvStore::put(const Operation& op) {
  Entry* entry = find(op.key);
  if (entry && (op.flags & VRD_KV_IF_ABSENT)) return KvAnswer{VRD_E_STATE, 0, 0, entry->value};
  put(op.key, op.value, op.ttl_ms);
  return {};
}

void KvStore::put(const std::string& key, const std::string& value, uint64_t ttl_ms) {
  Entry entry;
  entry.value = value;
  entry.ends = end_of(ttl_ms);
  entries_[key] = std::move(entry);
}

// A counter's value is its sum in digits, so that a get of it says something.
KvAnswer KvStore::add(const Operation& op) {
  Entry* entry = find(op.key);
  if (!entry) {
    entry = &(entries_[op.key] = Entry{});
    entry->ends = end_of(op.ttl_ms);
  } else if (op.flags & VRD_KV_EXTEND) {
    entry->ends = end_of(op.ttl_ms);
  }
  if (entry->number == 0 && !entry->value.empty()) entry->number = static_cast<int64_t>(parse_uint(entry->value, INT64_MAX).value_or(0));
  if (__builtin_add_overflow(entry->number, op.number, &entry->number)) entry->number = op.number < 0 ? INT64_MIN : INT64_MAX;
  entry->value = std::to_string(entry->number);
  return KvAnswer{VRD_OK, 0, entry->number, {}};
}

KvAnswer KvStore::take(const Operation& op) {
  const int64_t full = op.capacity * 1000;
  Entry* entry = find(op.key);
  if (!entry) {
    entry = &(entries_[op.key] = Entry{});
    entry->number = full;
    entry->filled = now_();
  }
  auto gained = static_cast<__int128>(now_() - entry->filled) * op.rate / 1000;  // `rate` is thousandths a second
  bool filled = entry->number + gained >= full;
  entry->filled = filled ? now_() : entry->filled + static_cast<int64_t>(gained * 1000 / op.rate);
  entry->number = filled ? full : entry->number + static_cast<int64_t>(gained);
  int64_t wanted = op.number * 1000;
  entry->ends = now_() + (full * 1000 + op.rate - 1) / op.rate + 1000;
  KvAnswer out;
  if (entry->number >= wanted) {
    entry->number -= wanted;
    out.taken = 1;
  } else {
    out.number = ((wanted - entry->number) * 1000 + op.rate - 1) / op.rate;
  }
  return out;
}

std::vector<KvAnswer> KvStore::list(const std::string& prefix, const std::string& after, uint32_t limit) {
  std::vector<KvAnswer> out;
  for (auto it = entries_.begin(); it != entries_.end() && out.size() < limit; ++it) {
    bool fits = it->first.compare(0, prefix.size(), prefix) == 0 && it->first > after;
    bool lives = it->second.ends == 0 || it->second.ends > now_();
    if (!fits || !lives) continue;
    KvAnswer answer;
    answer.value = it->first + '\0' + it->second.value;
    out.push_back(std::move(answer));
  }
  return out;
}

std::optional<std::string> KvStore::get(const std::string& key) {
  Entry* entry = find(key);
  return entry ? std::optional(entry->value) : std::nullopt;
}

}  // namespace veredus::ptest
