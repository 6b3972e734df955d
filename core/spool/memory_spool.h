// MemorySpool: the twin of the real spool for tests. Keeps everything in memory, fails and waits when told. One thread only.
#pragma once

#include <map>
#include <optional>

#include "loop/wait.h"
#include "spool/spool.h"

namespace veredus {

class MemorySpool final : public Spool {
 public:
  explicit MemorySpool(Loop& loop) : released_(loop) { released_.set(); }

  // For tests.
  void fail_stores(std::optional<Error> error) { store_error_ = std::move(error); }
  void pause_durability() { released_.reset(); }  // stores wait until resumed
  void resume_durability() { released_.set(); }
  void refuse(std::optional<Error> error) { refusal_ = std::move(error); }
  size_t message_count() const { return messages_.size(); }
  const std::vector<StateChange>& changes() const { return changes_; }

  Task<Status> store(Loop& loop, std::shared_ptr<const Message> message) override;
  void record(std::vector<StateChange> changes) override;
  Task<Status> record_now(Loop& loop, std::vector<StateChange> changes) override;
  Task<Status> amend(Loop& loop, std::shared_ptr<const Envelope> envelope) override;
  Task<Result<std::shared_ptr<const Message>>> load(Loop& loop, MessageId id) override;
  Task<Result<StoredMessage>> find(Loop& loop, MessageId id) override;
  Task<Status> scan(Loop& loop, std::function<bool(const StoredMessage&)> visit) override;
  Task<Result<std::unique_ptr<BodyWriter>>> create_body(Loop& loop) override;
  Task<Result<std::string>> read_body(Loop& loop, std::shared_ptr<LargeBody> body, uint64_t offset, size_t count) override;
  Status accepting() const override;
  SpoolStatus status() const override;

 private:
  struct Kept {
    std::shared_ptr<const Message> message;
    std::vector<RecipientStatus> recipients;
  };
  StoredMessage describe(const Kept& kept) const;

  std::map<MessageId, Kept> messages_;
  std::vector<StateChange> changes_;
  std::optional<Error> store_error_, refusal_;
  Event released_;
};

}  // namespace veredus
