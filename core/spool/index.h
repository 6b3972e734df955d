// Index: where everything that still counts lies. A message costs 32 octets and a share of the table; what only some have (several
// recipients with results, a replaced envelope, a body in a file, older copies) is kept beside. Also the ledger of segments, which
// says what may be removed. Not synchronised: whoever uses it holds `mutex`. Knows no files.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/ids.h"

namespace veredus::spool_detail {

struct Place {
  uint32_t segment = 0;  // 0 = nowhere
  uint32_t unit = 0;     // offset / 8
  static Place at(uint32_t segment, uint64_t offset) { return {segment, static_cast<uint32_t>(offset / 8)}; }
  uint64_t offset() const { return uint64_t{unit} * 8; }
  explicit operator bool() const { return segment != 0; }
  bool operator==(const Place&) const = default;
};

struct Entry {
  MessageId id;  // 0 = free
  Place home;
  Place status;  // of the only recipient
  uint32_t length = 0;
  uint32_t recipients : 31 = 0;
  uint32_t has_extra : 1 = 0;
};
static_assert(sizeof(Entry) == 32);

struct RecipientMark {
  Place status;  // nowhere: as the message's record says
  bool final = false;
  bool operator==(const RecipientMark&) const = default;
};

struct Extra {
  std::vector<RecipientMark> marks;  // empty or one per recipient
  Place envelope;
  uint64_t body_id = 0;
  std::vector<uint32_t> old_homes;  // segments that hold older copies
};

// What was known of a message at one moment: enough to read it, and to see later whether anything changed.
struct Snapshot {
  MessageId id;
  Place home;
  uint32_t length = 0;
  std::vector<RecipientMark> marks;  // one per recipient
  Place envelope;
  uint64_t body_id = 0;
  bool operator==(const Snapshot&) const = default;
};

struct Segment {
  uint64_t size = 0;         // octets of records
  uint64_t live_octets = 0;  // of messages
  uint32_t messages = 0;     // live ones
  uint32_t changes = 0;      // states and envelopes that are the latest
  bool closed = false;       // no longer written to
  bool sealed = false;
  bool stuck = false;        // could not be emptied; not tried again
  bool pinned = false;       // could not be read: never removed
  std::unordered_map<uint32_t, uint32_t> finished_homes;  // other segment -> how many `finished` records here it needs

  uint64_t live_estimate() const;
};

class Index {
 public:
  mutable std::mutex mutex;
  std::condition_variable written;  // places that were only planned may be read now

  const Entry* find(MessageId id) const;
  std::optional<Snapshot> snapshot(MessageId id) const;
  // Waits until everything the snapshot names is written: between plan and write a place holds nothing yet.
  std::optional<Snapshot> written_snapshot(std::unique_lock<std::mutex>& lock, MessageId id);
  size_t size() const { return count_; }
  std::vector<MessageId> ids() const;  // sorted
  std::vector<uint64_t> bodies() const;
  MessageId newest() const { return newest_; }
  void saw(MessageId id) { newest_ = std::max(newest_, id); }

  struct NewMessage {
    MessageId id;
    Place home;
    uint32_t length = 0;
    uint32_t recipients = 0;
    uint64_t body_id = 0;
    std::vector<bool> finals;  // of a moved copy; empty = none
  };
  void put(const NewMessage& message);  // an older copy stays known as such, its results are dropped
  void restore(const Snapshot& before, uint32_t recipients);  // undoes put() of a moved copy
  bool set_status(MessageId id, uint32_t recipient, Place place, bool final);
  bool set_envelope(MessageId id, Place place);
  bool would_finish(MessageId id, uint32_t recipient) const;  // is every other recipient final?
  bool all_final(MessageId id) const;
  std::vector<uint32_t> homes(MessageId id) const;  // of every copy
  uint64_t forget(MessageId id);                    // returns the body's id
  // A `finished` record read at start: kills the copies in `home`. Returns true when it killed the latest.
  bool finish_copy(MessageId id, uint32_t home);
  // Copies whose message is finished but which lack a record of their own.
  std::vector<std::pair<MessageId, uint32_t>> take_unfinished_copies();

  void add_segment(uint32_t number);
  Segment* segment(uint32_t number);
  const std::map<uint32_t, Segment>& segments() const { return segments_; }
  void finished_written(uint32_t in, uint32_t home);
  bool finished_needed(uint32_t in, uint32_t home) const { return in != home && segments_.count(home) != 0; }
  std::vector<uint32_t> removable() const;  // ascending
  void remove_segment(uint32_t number);

 private:
  Entry* slot_of(MessageId id);
  bool is_written(Place place) const;
  size_t bucket(MessageId id) const { return std::hash<MessageId>()(id) >> shift_; }
  void grow();
  void erase_slot(size_t at);
  Extra& extra_of(Entry& entry);
  std::vector<RecipientMark>& marks_of(Entry& entry);
  void refer(Place place, int by);
  void drop_results(Entry& entry);
  void count_message(const Entry& entry, int by);

  std::vector<Entry> table_;
  unsigned shift_ = 64;
  size_t count_ = 0;
  std::unordered_map<MessageId, Extra> extras_;
  std::unordered_map<MessageId, std::vector<uint32_t>> orphan_copies_;
  std::map<uint32_t, Segment> segments_;
  MessageId newest_;
};

}  // namespace veredus::spool_detail
