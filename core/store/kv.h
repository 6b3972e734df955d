// Kv: small entries with a time to live, for plugins: counters, token buckets, what was seen before. Every operation of one request has
// its own answer. An interface, so that something outside the daemon can stand behind it; KvStore is the embedded one, MemoryKv the twin
// for tests. run() belongs to the asking loop; destroying its task is cancelling, after which nothing comes back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "loop/task.h"
#include "loop/wait.h"

namespace veredus {

inline constexpr size_t kKvMaxSpace = 64, kKvMaxKey = 512, kKvMaxValue = 65536;
inline constexpr size_t kKvMaxOps = 1000;               // in one request
inline constexpr size_t kKvMaxListed = 1000;            // entries in one answer, and kKvMaxListedOctets
inline constexpr size_t kKvMaxListedOctets = 1 << 20;
inline constexpr size_t kKvMaxCounted = 100'000;        // a count goes no further

struct TokenBucket {
  double capacity = 0;    // tokens that fit; a bucket begins full
  double per_second = 0;  // refill, above 0
  double cost = 1;        // of this request; 0 asks only
};

struct KvOp {
  enum class Kind : uint8_t { get, put, remove, add, take, list, count };

  static KvOp get(std::string key) { return KvOp(Kind::get, std::move(key)); }
  // ttl 0: until it is removed.
  static KvOp put(std::string key, std::string value, Millis ttl = {}) { return KvOp(Kind::put, std::move(key), std::move(value), ttl); }
  static KvOp put_if_absent(std::string key, std::string value, Millis ttl = {});
  static KvOp remove(std::string key) { return KvOp(Kind::remove, std::move(key)); }
  // The value is a decimal number as text; one that is not there counts as 0. The ttl is set when the counter is created, with `extend`
  // at every addition.
  static KvOp add(std::string key, int64_t delta, Millis ttl = {}, bool extend = false);
  static KvOp take(std::string key, TokenBucket bucket);
  // In the order of octets, from behind `after` (the answer's `next`).
  static KvOp list(std::string prefix, size_t limit = kKvMaxListed, std::string after = {});
  static KvOp count(std::string prefix, size_t limit = kKvMaxCounted);

  size_t octets() const { return key.size() + value.size(); }

  Kind kind;
  bool if_absent = false, extend = false;
  std::string key;    // or prefix
  std::string value;  // or where a list goes on
  Millis ttl{};
  int64_t delta = 0;
  size_t limit = 0;
  TokenBucket bucket;

 private:
  KvOp(Kind k, std::string key_text, std::string value_text = {}, Millis time_to_live = {})
      : kind(k), key(std::move(key_text)), value(std::move(value_text)), ttl(time_to_live) {}
};

struct KvEntry {
  std::string key, value;
  Millis ttl_left{};  // 0: no end
};

struct KvAnswer {
  KvAnswer() = default;
  KvAnswer(Error error) : status(std::move(error)) {}

  Status status;               // nothing below counts when it failed
  bool done = false;           // get: it is there; put: stored; remove: it was there; add: created; take: allowed
  std::string value;           // get
  Millis ttl_left{};           // get: 0 = no end
  int64_t number = 0;          // add: the new value; count
  Millis wait{};               // take, not allowed: until the cost would be there
  std::vector<KvEntry> entries;
  std::string next;            // list: where the next one begins; empty at the end
};

class Kv {
 public:
  virtual ~Kv() = default;
  // The operations one after the other, nobody else's in between. Errors of the whole: busy (too much is waiting), timeout (it may still be
  // carried out), limit, invalid, closed. A write that was answered is on disk at most 1 s later.
  virtual Task<Result<std::vector<KvAnswer>>> run(Loop& loop, std::string space, std::vector<KvOp> ops, Deadline deadline) = 0;
};

// One operation; an error of the whole is an error of it.
Task<KvAnswer> kv_run(Kv& kv, Loop& loop, std::string space, KvOp op, Deadline deadline);

}  // namespace veredus
