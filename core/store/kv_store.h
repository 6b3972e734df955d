// KvStore: the embedded Kv, on an SQLite file that one thread owns. Requests of all loops go to it in one queue; answers come back to the
// asking loop, many in one post. What was answered is on disk 500 ms later; the destructor finishes what is queued and commits.
// run() is [loop]; the store must end before the loops that used it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "store/kv_table.h"

namespace veredus {

struct KvStoreOptions : kv::TableOptions {
  size_t max_queued = 100'000;                  // operations, and kMaxQueuedOctets
  size_t max_queued_octets = 32 << 20;
  std::chrono::milliseconds sweep_every{10'000};
  int sweep_step = 500;  // entries removed between two looks at the queue
};

class KvStore final : public Kv {
 public:
  // Fails when the file is held by another process, of a newer version, or cannot be opened. A damaged file is set aside.
  static Result<std::unique_ptr<KvStore>> open(KvStoreOptions options, const Clock& clock, LogSink& sink);
  ~KvStore() override;
  KvStore(const KvStore&) = delete;

  Task<Result<std::vector<KvAnswer>>> run(Loop& loop, std::string space, std::vector<KvOp> ops, Deadline deadline) override;

  size_t queued() const { return queued_.load(std::memory_order_relaxed); }    // [any] operations that wait
  uint64_t commits() const { return commits_.load(std::memory_order_relaxed); }  // [any]

 private:
  struct Call;
  struct Asking;
  using Calls = std::vector<std::shared_ptr<Call>>;
  using Time = kv::KvTable::Time;

  KvStore(KvStoreOptions options, const Clock& clock, LogSink& sink) : options_(options), table_(std::move(options), clock, sink) {}
  bool push(std::shared_ptr<Call> call);
  void work();
  Calls take_queued(bool& ending);
  Time wake_at() const;
  void carry_out(Calls& calls);
  void answer(Calls& done);
  void keep_house();

  KvStoreOptions options_;
  kv::KvTable table_;
  Time sweep_at_{};
  std::atomic<size_t> queued_{0};
  std::atomic<uint64_t> commits_{0};

  std::mutex mutex_;
  std::condition_variable wake_;
  Calls queue_;
  size_t queued_octets_ = 0;  // of what is in queue_
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace veredus
