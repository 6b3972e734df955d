// The requests: store a message, change states, replace an envelope; and for compaction, move a message or a small record. Encoded
// on the asking thread, planned and committed by the writer.
#pragma once

#include "spool/op.h"
#include "spool/spool.h"

namespace veredus::spool_detail {

std::unique_ptr<Op> make_store(std::shared_ptr<const Message> message);
std::unique_ptr<Op> make_changes(std::vector<StateChange> changes, bool durable);
std::unique_ptr<Op> make_envelope(std::shared_ptr<const Envelope> envelope);
std::unique_ptr<Op> make_finish(MessageId id, uint32_t home);  // a record that is missing

// How the compactor waits for what it asked: counts down once per request.
class Countdown {
 public:
  void add() {
    std::lock_guard lock(mutex_);
    ++left_;
  }
  void done(bool ok) {
    std::lock_guard lock(mutex_);
    failed_ = failed_ || !ok;
    if (--left_ == 0) wake_.notify_all();
  }
  bool wait() {  // false: something failed
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return left_ == 0; });
    return !failed_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  size_t left_ = 0;
  bool failed_ = false;
};

// `payload` is that of a record of type moved; done only if the message is still as `before` says.
std::unique_ptr<Op> make_move(Snapshot before, std::string payload, Countdown& countdown);
// A state, envelope or finished record that still counts where it is.
std::unique_ptr<Op> make_copy(RecordType type, MessageId id, Place from, std::string payload, Countdown& countdown);

}  // namespace veredus::spool_detail
