// Bodies: files of messages too large for memory. Owns their names and the right to remove them; blocking work runs on the pool.
#pragma once

#include <atomic>
#include <mutex>

#include "loop/work_pool.h"
#include "spool/record.h"
#include "spool/storage.h"

namespace veredus::spool_detail {

class BodyStore;

// What messages hold. When the last holder goes and no stored message has it, the file goes too.
class SpoolBody final : public LargeBody {
 public:
  SpoolBody(std::shared_ptr<BodyStore> store, uint64_t id, uint64_t size, bool stored)
      : stored_(stored), store_(std::move(store)), id_(id), size_(size) {}
  ~SpoolBody() override;
  uint64_t size() const override { return size_; }
  uint64_t id() const { return id_; }
  void mark_stored() { stored_.store(true); }
  Result<std::string> read(uint64_t offset, size_t count) override;  // opens the file at the first call

 private:
  std::atomic<bool> stored_;
  std::shared_ptr<BodyStore> store_;
  uint64_t id_;
  uint64_t size_;
  std::mutex mutex_;
  std::shared_ptr<File> file_;
};

class BodyStore : public std::enable_shared_from_this<BodyStore> {
 public:
  BodyStore(Storage& storage, const Clock& clock, uint32_t salt, uint64_t newest)
      : storage_(storage), clock_(clock), salt_(salt), newest_(newest), pool_(std::make_unique<WorkPool>(kThreads)) {}

  Task<Result<std::unique_ptr<BodyWriter>>> create(Loop& loop);
  Result<std::shared_ptr<LargeBody>> open(uint64_t id, uint64_t size);  // blocks; of a stored message; Errc::corrupt
  void remove_later(uint64_t id);  // [any]
  void close();                    // finishes what is queued; later removals are left to the next start
  WorkPool& pool() { return *pool_; }
  Storage& storage() { return storage_; }
  uint32_t salt() const { return salt_; }
  uint64_t new_id();

 private:
  static constexpr unsigned kThreads = 3;
  Storage& storage_;
  const Clock& clock_;
  uint32_t salt_;
  std::mutex mutex_;
  uint64_t newest_;
  bool closed_ = false;
  std::unique_ptr<WorkPool> pool_;
};

// Reads the whole file and compares its checksum. Blocks.
Status verify_body(Storage& storage, uint64_t id, uint64_t size, uint32_t salt);

}  // namespace veredus::spool_detail
