// MessageReader: stored messages back from their segments. Blocks; any thread, several at once. What it reads may be moved or removed
// meanwhile; then it looks again.
#pragma once

#include "spool/bodies.h"
#include "spool/index.h"
#include "spool/log_spool.h"
#include "spool/recovery.h"

namespace veredus::spool_detail {

struct RawRecord {
  RecordHeader header;
  std::string payload;
};

// Segments opened for one call, so that messages beside each other cost one open. Belongs to that call.
class SegmentFiles {
 public:
  explicit SegmentFiles(Storage& storage) : storage_(storage) {}
  Result<std::shared_ptr<File>> open(uint32_t segment);

 private:
  struct Open {
    uint32_t segment = 0;
    std::shared_ptr<File> file;
  };
  Storage& storage_;
  Open open_[2];  // messages and their results often stand in two segments
  size_t next_ = 0;
};

class MessageReader {
 public:
  // Read-only: what is damaged is not set aside.
  MessageReader(Storage& storage, Index& index, uint32_t salt, SpoolObserver& observer, std::shared_ptr<BodyStore> bodies,
                Access access = Access::owner)
      : storage_(storage), index_(index), salt_(salt), observer_(observer), bodies_(std::move(bodies)), access_(access) {}

  Result<std::shared_ptr<const Message>> load(MessageId id);
  Result<StoredMessage> describe(MessageId id);
  Result<StoredMessage> describe(MessageId id, SegmentFiles& files);
  Storage& storage() { return storage_; }
  Result<RawRecord> read_record(Place place, MessageId id);  // checked
  // The payload of a record of type moved that says all that is known.
  Result<std::string> moved_payload(const Snapshot& known, RecordType type, std::string_view payload);

 private:
  Result<RawRecord> read_record(Place place, MessageId id, SegmentFiles& files);
  Result<std::shared_ptr<const Message>> load_at(const Snapshot& known, SegmentFiles& files);
  Result<StoredMessage> describe_at(const Snapshot& known, SegmentFiles& files);
  Result<RawRecord> read_kept(const Snapshot& known, SegmentFiles& files);
  Result<std::string> envelope_octets(const Snapshot& known, std::string_view stored, SegmentFiles& files);
  Result<std::vector<std::optional<RecipientStatus>>> results(const Snapshot& known, std::string_view states, SegmentFiles& files);
  template <typename T>
  Result<T> retrying(MessageId id, Result<T> (MessageReader::*read)(const Snapshot&, SegmentFiles&), SegmentFiles& files);
  void report(const Snapshot& known, const Error& error);

  Storage& storage_;
  Index& index_;
  uint32_t salt_;
  SpoolObserver& observer_;
  std::shared_ptr<BodyStore> bodies_;
  Access access_;
};

}  // namespace veredus::spool_detail
