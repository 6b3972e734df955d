// The store behind core.kv: keys with values, counters and buckets, each with an end, on virtual time. Loop only.
#pragma once

#include <veredus/kv.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace veredus::ptest {

struct KvAnswer {
  int32_t status = VRD_OK;
  uint32_t taken = 0;
  int64_t number = 0;
  std::string value;
};

class KvStore {
 public:
  explicit KvStore(std::function<int64_t()> now) : now_(std::move(now)) {}

  struct Operation {
    uint32_t kind = 0, flags = 0;
    std::string key, value;
    uint64_t ttl_ms = 0;
    int64_t number = 0, capacity = 0, rate = 0;
  };
  static std::optional<Operation> read(const vrd_kv_op* op);  // nothing: an argument out of bounds
  KvAnswer run(const Operation& op);
  std::vector<KvAnswer> list(const std::string& prefix, const std::string& after, uint32_t limit);
  void put(const std::string& key, const std::string& value, uint64_t ttl_ms);
  std::optional<std::string> get(const std::string& key);

 private:
  struct Entry {
    std::string value;
    int64_t number = 0;       // a counter's sum; of a bucket the thousandths of tokens in it
    int64_t ends = 0;         // 0: never
    int64_t filled = 0;       // when the bucket was filled last
  };
  Entry* find(const std::string& key);
  int64_t end_of(uint64_t ttl_ms) const { return ttl_ms == 0 ? 0 : now_() + static_cast<int64_t>(ttl_ms); }
  KvAnswer put(const Operation& op);
  KvAnswer add(const Operation& op);
  KvAnswer take(const Operation& op);

  std::function<int64_t()> now_;
  std::map<std::string, Entry> entries_;
};

}  // namespace veredus::ptest
