// The operations' meaning.
#include "store/kv_ops.h"

#include <charconv>
#include <cmath>

#include "base/codec.h"

namespace veredus {

KvOp KvOp::put_if_absent(std::string key, std::string value, Millis ttl) {
  KvOp op = put(std::move(key), std::move(value), ttl);
  op.if_absent = true;
  return op;
}

KvOp KvOp::add(std::string key, int64_t delta, Millis ttl, bool extend) {
  KvOp op(Kind::add, std::move(key), {}, ttl);
  op.delta = delta;
  op.extend = extend;
  return op;
}

KvOp KvOp::take(std::string key, TokenBucket bucket) {
  KvOp op(Kind::take, std::move(key));
  op.bucket = bucket;
  return op;
}

KvOp KvOp::list(std::string prefix, size_t limit, std::string after) {
  KvOp op(Kind::list, std::move(prefix), std::move(after));
  op.limit = limit;
  return op;
}

KvOp KvOp::count(std::string prefix, size_t limit) {
  KvOp op(Kind::count, std::move(prefix));
  op.limit = limit;
  return op;
}

Task<KvAnswer> kv_run(Kv& kv, Loop& loop, std::string space, KvOp op, Deadline deadline) {
  std::vector<KvOp> ops;
  ops.push_back(std::move(op));
  auto answers = co_await kv.run(loop, std::move(space), std::move(ops), deadline);
  if (!answers) co_return KvAnswer(answers.error());
  co_return std::move(answers->front());
}

}  // namespace veredus

namespace veredus::kv {

namespace {

constexpr double kMicro = 1e6;
constexpr double kMaxTokens = 1e12;  // as micro-tokens well within 64 bits
constexpr int64_t kMaxTtl = int64_t{100} * 366 * 86400 * 1000;
constexpr uint8_t kBucketMark = 0xB1;  // no number as text begins so

Status check_bucket(const TokenBucket& bucket) {
  auto within = [](double value, double most) { return value >= 0 && value <= most; };  // false for what is not a number
  if (!within(bucket.capacity, kMaxTokens) || bucket.capacity <= 0) return fail(Errc::invalid, "the capacity of a token bucket is out of range");
  if (!within(bucket.per_second, kMaxTokens) || bucket.per_second < 1e-9)
    return fail(Errc::invalid, "the refill of a token bucket is out of range");
  if (!within(bucket.cost, bucket.capacity)) return fail(Errc::invalid, "the cost is negative or more than the token bucket holds");
  return {};
}

Status check_listing(const KvOp& op) {
  size_t most = op.kind == KvOp::Kind::list ? kKvMaxListed : kKvMaxCounted;
  if (op.limit == 0 || op.limit > most) return fail(Errc::invalid, "a limit is from 1 to " + std::to_string(most));
  if (op.value.size() > kKvMaxKey) return fail(Errc::invalid, "a cursor is at most " + std::to_string(kKvMaxKey) + " octets");
  return {};
}

int64_t expiry(const KvOp& op, int64_t now) { return op.ttl.count() > 0 ? now + op.ttl.count() : 0; }

void clear(Slot& slot) {
  slot.present = false;
  slot.expires = 0;
  slot.value.clear();
}

KvAnswer get(const Slot& slot, int64_t now) {
  KvAnswer answer;
  answer.done = slot.present;
  if (!slot.present) return answer;
  answer.value = slot.value;
  if (slot.expires) answer.ttl_left = Millis(slot.expires - now);
  return answer;
}

KvAnswer put(const KvOp& op, Slot& slot, int64_t now, bool& changed) {
  KvAnswer answer;
  if (op.if_absent && slot.present) return answer;
  slot.present = true;
  slot.value = op.value;
  slot.expires = expiry(op, now);
  answer.done = changed = true;
  return answer;
}

KvAnswer remove(Slot& slot, bool& changed) {
  KvAnswer answer;
  answer.done = changed = slot.present;
  clear(slot);
  return answer;
}

KvAnswer add(const KvOp& op, Slot& slot, int64_t now, bool& changed) {
  KvAnswer answer;
  if (slot.present) {
    const char* end = slot.value.data() + slot.value.size();
    auto [stop, problem] = std::from_chars(slot.value.data(), end, answer.number);
    if (problem != std::errc() || stop != end) return fail(Errc::invalid, "the value is not a number");
  }
  if (__builtin_add_overflow(answer.number, op.delta, &answer.number)) return fail(Errc::limit, "the number would leave 64 bits");
  answer.done = !slot.present;
  if (!slot.present || op.extend) slot.expires = expiry(op, now);
  slot.present = changed = true;
  char digits[24];
  slot.value.assign(digits, std::to_chars(digits, digits + sizeof digits, answer.number).ptr);
  return answer;
}

struct Level {
  double tokens;
  bool valid;
};

// A clock that was set back refills nothing; one that was set forward fills the bucket at most.
Level level_of(const Slot& slot, const TokenBucket& bucket, int64_t now) {
  if (!slot.present) return {bucket.capacity, true};
  Reader in(slot.value);
  bool marked = in.u8() == kBucketMark;
  double tokens = static_cast<double>(in.i64()) / kMicro;
  double passed = static_cast<double>(std::max<int64_t>(0, now - in.i64())) / 1000;
  return {std::min(bucket.capacity, tokens + passed * bucket.per_second), marked && in.ok() && in.at_end()};
}

// A bucket that is full again is the same as none, so it ends by itself.
void store_level(Slot& slot, const TokenBucket& bucket, double tokens, int64_t now) {
  slot.value.clear();
  Writer out(slot.value);
  out.u8(kBucketMark);
  out.i64(std::llround(tokens * kMicro));
  out.i64(now);
  slot.present = true;
  double fill_ms = std::ceil((bucket.capacity - tokens) / bucket.per_second * 1000);
  slot.expires = now + std::max<int64_t>(1, static_cast<int64_t>(std::min(fill_ms, static_cast<double>(kMaxTtl))));
}

KvAnswer take(const TokenBucket& bucket, Slot& slot, int64_t now, bool& changed) {
  Level level = level_of(slot, bucket, now);
  if (!level.valid) return fail(Errc::invalid, "the value is not a token bucket");
  KvAnswer answer;
  constexpr double kRounding = 0.5 / kMicro;
  answer.done = level.tokens + kRounding >= bucket.cost;
  if (!answer.done) {
    double wait = std::ceil((bucket.cost - level.tokens) / bucket.per_second * 1000);
    answer.wait = Millis(static_cast<int64_t>(std::min(wait, static_cast<double>(kMaxTtl))));
  } else if (bucket.cost > 0) {
    store_level(slot, bucket, std::max(0.0, level.tokens - bucket.cost), now);
    changed = true;
  }
  return answer;
}

}  // namespace

Status check(std::string_view space, std::span<const KvOp> ops) {
  if (space.empty() || space.size() > kKvMaxSpace) return fail(Errc::invalid, "a name space has 1 to " + std::to_string(kKvMaxSpace) + " octets");
  for (char c : space)
    if (c <= ' ' || c > '~') return fail(Errc::invalid, "a name space consists of printable ASCII without spaces");
  if (ops.size() > kKvMaxOps) return fail(Errc::limit, "more than " + std::to_string(kKvMaxOps) + " operations in one request");
  if (ops.empty()) return fail(Errc::invalid, "a request without operations");
  return {};
}

Status check(const KvOp& op) {
  if (op.key.size() > kKvMaxKey) return fail(Errc::invalid, "a key is at most " + std::to_string(kKvMaxKey) + " octets");
  if (!of_one_entry(op.kind)) return check_listing(op);
  if (op.key.empty()) return fail(Errc::invalid, "a key has at least one octet");
  if (op.value.size() > kKvMaxValue) return fail(Errc::limit, "a value is at most " + std::to_string(kKvMaxValue) + " octets");
  if (op.ttl.count() < 0 || op.ttl.count() > kMaxTtl) return fail(Errc::invalid, "a time to live is out of range");
  if (op.kind == KvOp::Kind::take) return check_bucket(op.bucket);
  return {};
}

KvAnswer apply(const KvOp& op, Slot& slot, int64_t now, bool& changed) {
  if (!slot.live(now)) clear(slot);
  switch (op.kind) {
    case KvOp::Kind::get: return get(slot, now);
    case KvOp::Kind::put: return put(op, slot, now, changed);
    case KvOp::Kind::remove: return remove(slot, changed);
    case KvOp::Kind::add: return add(op, slot, now, changed);
    case KvOp::Kind::take: return take(op.bucket, slot, now, changed);
    case KvOp::Kind::list:
    case KvOp::Kind::count: break;
  }
  return fail(Errc::unsupported, "not an operation of one entry");
}

std::string end_of_prefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xFF') prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

}  // namespace veredus::kv
