// LogSpool: the durable spool, log segments with group commit and files for large bodies. Owns the lock, the writer thread, the
// helper that prepares and seals segments, the compactor and a small pool for reading. Functions of Spool: any loop.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "loop/remote.h"
#include "spool/spool.h"
#include "spool/storage.h"

namespace veredus {

struct LogSpoolOptions {
  uint64_t segment_size = uint64_t{64} << 20;
  uint64_t inline_size = uint64_t{128} << 10;  // larger messages get a file of their own
  uint64_t reserve = uint64_t{8} << 20;        // free octets kept back for finishing the work in hand
  Millis sync_delay{50};                       // state changes are durable at the latest after this
  Millis check_interval{1000};                 // how often free space is looked at, and a failed spool tried again
  Millis slow_sync{2000};                      // a sync that takes longer is reported
  bool compact = true;                         // off only in tests that count segments
};

enum class SpoolEvent {
  opened,
  created,
  torn_tail,
  damaged,
  missing,
  unknown_record,
  full,
  space_again,
  write_failed,
  read_failed,
  compacted,
  segment_removed,
  orphan_removed,
  slow,
};
std::string_view event_name(SpoolEvent event);

// Is told what an administrator should know. `file` is relative to the spool's directory.
class SpoolObserver {
 public:
  virtual ~SpoolObserver() = default;
  virtual void spool_event(SpoolEvent event, std::string_view file, std::string_view detail) = 0;  // [any]
};

class LogSpool final : public Spool {
 public:
  // Takes the lock (Errc::busy when another holds it), creates what is missing, recovers what is there. Blocks. Errc::unsupported:
  // a newer version wrote it. `storage`, `clock` and `observer` outlive the spool and every LargeBody it gave away.
  static Result<std::unique_ptr<LogSpool>> open(Storage& storage, const Clock& clock, LogSpoolOptions options,
                                                SpoolObserver& observer);
  // Everything handed over is written and synced, the segment sealed, the threads joined. Loops that wait for an answer must
  // still exist; tasks that wait may be gone.
  ~LogSpool() override;

  MessageId newest_known() const;  // [any] ids generated from now on must be newer, whatever the clock says

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
  struct Parts;
  using Batch = std::vector<StoredMessage>;
  explicit LogSpool(std::unique_ptr<Parts> parts);
  std::unique_ptr<Remote<Batch>> ask_batch(Loop& loop, std::shared_ptr<const std::vector<MessageId>> ids, size_t from);
  std::unique_ptr<Parts> parts_;
};

}  // namespace veredus
