// PendingTable: hooks that answer later. A token is slot, loop and generation; whoever swaps the slot's word first, be it completion,
// time-out or abort, has decided, and everybody else is late and touches nothing. Slots live as long as the table. One table a loop:
// open() and close() are [loop], complete() is [any]; the loop must outlive every thread that may complete.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "hooks/hooks.h"
#include "loop/loop.h"
#include "loop/wait.h"

namespace veredus {

using PendingToken = uint64_t;  // 0 = none

struct HookAnswer {
  Verdict verdict;
  std::vector<Edit> edits;
  std::string body;  // at `body`, by a hook that may rewrite: follows what it emitted during the call
};

enum class Completion : uint8_t { taken, late };

class PendingTable;

// The waiting side of one token, in the frame of the coroutine that waits.
class PendingCall {
 public:
  explicit PendingCall(PendingTable& table);
  PendingCall(const PendingCall&) = delete;
  ~PendingCall();

  PendingToken open(Millis timeout);  // 0: no slot left, or opened before
  PendingToken token() const { return token_; }  // 0 once it has ended
  Task<std::optional<HookAnswer>> answer();  // after open(); nullopt: the time-out won
  bool abandon();                            // true: it was open and this ended it, nobody else

 private:
  friend class PendingTable;
  PendingTable& table_;
  PendingToken token_ = 0;
  bool opened_ = false;
  static void expire(void* self);
  Deadline deadline_;
  Timer limit_;  // sooner than the deadline
  Event answered_;
  std::optional<HookAnswer> answer_;
};

class PendingTable {
 public:
  explicit PendingTable(Loop& loop) : loop_(loop) {}
  PendingTable(const PendingTable&) = delete;
  ~PendingTable();

  Completion complete(PendingToken token, HookAnswer answer);  // [any]
  void limit(PendingToken token, Millis timeout);  // its time is up after so long from now, if it was not sooner
  size_t open_count() const { return open_; }
  static unsigned loop_of(PendingToken token) { return static_cast<unsigned>(token >> 24 & 0xFF); }
  Loop& loop() { return loop_; }

 private:
  friend class PendingCall;
  static constexpr size_t kChunkSize = 1024;
  static constexpr size_t kChunks = 1024;
  enum State : uint64_t { kFree = 0, kWaiting = 1, kCompleted = 2 };

  struct Slot {
    std::atomic<uint64_t> word{uint64_t{1} << 32};  // generation << 32 | state
    PendingCall* owner = nullptr;                   // [loop]
  };

  PendingToken open(PendingCall& owner);
  bool close(PendingToken token);  // false: a completion won and is on its way
  void detach(PendingToken token);
  void deliver(PendingToken token, HookAnswer answer);
  Slot* slot_of(PendingToken token) const;
  void release(PendingToken token, Slot& slot);
  bool grow();

  Loop& loop_;
  std::array<std::atomic<Slot*>, kChunks> chunks_{};
  size_t chunk_count_ = 0;
  std::vector<uint32_t> free_;
  size_t open_ = 0;
};

}  // namespace veredus
