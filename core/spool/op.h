// What the spool's writer is asked to do: one heap object a request, handed over through a queue without locks, answered on the loop
// that asked. Also the group a round of requests is gathered in, and how a coroutine waits for its answer.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "loop/loop.h"
#include "spool/index.h"
#include "spool/record.h"
#include "spool/storage.h"

namespace veredus::spool_detail {

class Handover;
class Planner;

// Made by whoever asks; owned by the queue, the writer, and at last the job that answers.
class Op {
 public:
  virtual ~Op();
  virtual uint64_t size() const = 0;  // octets in the segment, at most
  virtual bool new_mail() const { return false; }
  virtual bool durable() const { return true; }  // asks for a sync
  virtual bool keeps() const { return false; }   // may be planned without a segment: kept in memory until there is one
  // [writer, index locked] Adds records to the group; may set `error` instead.
  virtual void plan(Planner& planner) = 0;
  virtual void committed(Index&) {}  // [writer, index locked] what was planned is stable
  virtual void undone(Index&) {}     // [writer, index locked] the group failed; called newest first
  virtual void answered() {}         // [writer] of a request without a loop; last call

  Loop* loop = nullptr;
  std::optional<Error> error;
  Op* next = nullptr;

 private:
  friend class Handover;
  friend class Answers;
  Handover* asker_ = nullptr;  // [loop]
};

class OpQueue {
 public:
  void push(std::unique_ptr<Op> op);  // [any]
  void nudge();                       // [any] ends a wait
  void end();                         // [any] nothing more will come
  // [writer] Waits until there is something, or `until`; oldest first, none when it was only a nudge or the time.
  Op* take(std::optional<std::chrono::steady_clock::time_point> until);
  bool ended();

 private:
  std::atomic<Op*> newest_{nullptr};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool nudged_ = false, ended_ = false;
};

// Requests of one loop that are done: one post a loop and group.
class Answers final : public Job {
 public:
  explicit Answers(Op* first) : first_(first) {}
  ~Answers() override;
  void run() override;

 private:
  Op* first_;
};

// `Status status = co_await Handover(queue, loop, std::move(op));` Waits for our own writer, which always answers.
class Handover {
 public:
  Handover(OpQueue& queue, Loop& loop, std::unique_ptr<Op> op) : queue_(queue), loop_(loop), op_(op.get()), owned_(std::move(op)) {
    op_->loop = &loop;
    op_->asker_ = this;
  }
  Handover(const Handover&) = delete;
  ~Handover() {
    if (op_) op_->asker_ = nullptr;
  }
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    waiter_.arm(handle);
    queue_.push(std::move(owned_));
  }
  Status await_resume() { return std::move(status_); }

 private:
  friend class Op;
  friend class Answers;
  OpQueue& queue_;
  Loop& loop_;
  Op* op_;
  std::unique_ptr<Op> owned_;
  Waiter waiter_;
  Status status_;
};

// A state that must not be lost when the write fails: written again to the next segment.
struct Change {
  RecordType type = RecordType::status;
  MessageId id;
  std::string payload;
  uint32_t recipient = 0;
  bool final = false;
  uint32_t home = 0;
};

// One write: records behind each other at one place of one segment.
class Group {
 public:
  void begin(uint32_t segment, uint64_t at, bool synced_before);
  Place add(RecordType type, MessageId id, uint32_t salt, uint32_t crc, std::initializer_list<std::string_view> parts);
  bool empty() const { return headers_.empty(); }
  uint64_t at() const { return at_; }
  uint64_t size() const { return size_; }
  size_t records() const { return headers_.size(); }
  const std::vector<iovec>& pieces() const { return pieces_; }

 private:
  void piece(std::string_view octets);
  uint32_t segment_ = 0;
  uint64_t at_ = 0, size_ = 0;
  bool synced_before_ = false;
  std::deque<std::array<char, kHeaderSize>> headers_;
  std::vector<iovec> pieces_;
};

// What a request may do while the group is built. The octets given must live until the request is answered.
class Planner {
 public:
  virtual ~Planner() = default;
  virtual Index& index() = 0;
  virtual uint32_t segment() const = 0;  // 0 = there is none at the moment
  virtual Place add(RecordType type, MessageId id, uint32_t crc, std::initializer_list<std::string_view> parts) = 0;
  virtual void change(Change change) = 0;        // takes the octets over; sets places in the index
  virtual void body_done(uint64_t body_id) = 0;  // its file may go once the group is stable
};

}  // namespace veredus::spool_detail
