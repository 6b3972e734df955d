// Spool: durable storage of messages and of what became of each recipient. The interface; the log-structured store (log_spool.h) and the
// memory twin for tests (memory_spool.h) implement it. Functions are called on any loop; answers come back on the loop given.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "mail/envelope.h"

namespace veredus {

enum class RecipientState : uint8_t { queued, held, delivered, bounced, expired, discarded, removed };
inline bool is_final(RecipientState state) { return state >= RecipientState::delivered; }
std::string_view state_name(RecipientState state);

// What is known of one recipient of a stored message; the latest record wins.
struct RecipientStatus {
  RecipientState state = RecipientState::queued;
  uint16_t attempts = 0;
  bool delay_warned = false;
  WallTime next_attempt{};  // 0 = as soon as possible
  std::string reply;        // last remote reply or reason: printable, at most 400 octets
  std::string rule;         // final states: rule, administrator or next hop that decided
};

struct StateChange {
  MessageId id;
  uint32_t recipient = 0;  // index in the envelope
  RecipientStatus status;
};

// A message found at start, or while listing. `content` is not read.
struct StoredMessage {
  std::shared_ptr<const Envelope> envelope;
  uint64_t size = 0;
  std::vector<RecipientStatus> recipients;
  std::vector<std::string> destinations;  // one per recipient, filled in only by the queue's list
};

// Receives a body that is too large for memory. Destroying it unfinished removes the file.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  virtual Task<Status> append(std::string octets) = 0;  // resumes when the next piece may come
  virtual Task<Result<std::shared_ptr<LargeBody>>> finish() = 0;  // data and directory entry are stable
};

struct SpoolStatus {
  bool writable = true;
  std::string problem;         // why not writable or not accepting
  uint64_t messages = 0;
  uint64_t segments = 0;
  uint64_t octets = 0;         // on disk
  uint64_t free_octets = 0;
  uint64_t syncs = 0;          // since start
  uint64_t records = 0;
  uint64_t set_aside = 0;      // damaged records or files reported at start
};

class Spool {
 public:
  virtual ~Spool() = default;

  // Durable, body and envelope, when the answer is ok. Errc::no_space and Errc::io mean: nothing is acknowledged. After a failed
  // sync the message may still reappear after a restart.
  virtual Task<Status> store(Loop& loop, std::shared_ptr<const Message> message) = 0;
  // Written at once, durable with the next group or within `spool_options.sync_delay`. A message whose recipients are all final is forgotten.
  virtual void record(std::vector<StateChange> changes) = 0;
  virtual Task<Status> record_now(Loop& loop, std::vector<StateChange> changes) = 0;
  // Replaces the stored envelope (re-routing, rewriting); recipients keep their indices.
  virtual Task<Status> amend(Loop& loop, std::shared_ptr<const Envelope> envelope) = 0;

  // Reads a stored message back; a large body stays in its file.
  virtual Task<Result<std::shared_ptr<const Message>>> load(Loop& loop, MessageId id) = 0;
  virtual Task<Result<StoredMessage>> find(Loop& loop, MessageId id) = 0;
  // Visits every unfinished message, in batches on `loop`, oldest first; `visit` returns false to stop.
  virtual Task<Status> scan(Loop& loop, std::function<bool(const StoredMessage&)> visit) = 0;

  virtual Task<Result<std::unique_ptr<BodyWriter>>> create_body(Loop& loop) = 0;
  virtual Task<Result<std::string>> read_body(Loop& loop, std::shared_ptr<LargeBody> body, uint64_t offset, size_t count) = 0;

  virtual Status accepting() const = 0;  // [any] cheap: room for another message? asked at MAIL
  virtual SpoolStatus status() const = 0;  // [any]
};

}  // namespace veredus
