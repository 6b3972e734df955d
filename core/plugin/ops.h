// Operations: what a plugin has asked a host service for and waits for. OpTask is the coroutine that carries one out; OpTable owns those of
// one shard under slots with a generation, so that a stale vrd_op finds nothing. It begins each from the ready list: nothing is called back
// before the function that asked has returned. The last callback is made after release(): in it the operation is gone already, so that it
// may cancel anything and ask for more. [loop]
#pragma once

#include <array>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <utility>

#include "base/slots.h"
#include "loop/wait.h"

namespace veredus {

using OpId = uint64_t;  // vrd_op: slot and generation; 0 = none
enum class OpService : uint8_t { timer, work, dns, http, stream, table, kv, queue, helper, call };
constexpr size_t kOpServices = 10;

class OpTable;
class OpTask;

// One operation, within the promise of its coroutine.
class Op {
 public:
  Op() = default;
  Op(const Op&) = delete;
  OpId id() const { return id_; }
  // Before the last callback. Afterwards nobody can cancel it any more; the coroutine must end without waiting again.
  void release();
  // A callback that is not the last one, after which the operation goes on unless this says that it was cancelled meanwhile.
  template <typename F>
  [[nodiscard]] bool tell(F call) {
    busy_ = true;
    call();
    busy_ = false;
    return !cancelled_;
  }
  // Of operations that are waited for (OpTable::start_awaited): they are not destroyed, but asked to end soon; `notice` is set then.
  bool asked_to_end() const { return asked_to_end_; }
  void on_ask(Event* notice) { notice_ = notice; }
  void attach(void* object) { attached_ = object; }  // for whoever finds the operation by its id
  void* attached() const { return attached_; }

 private:
  friend class OpTable;
  friend class OpTask;
  OpTable* table_ = nullptr;
  OpId id_ = 0;
  OpService service_{};
  bool busy_ = false, cancelled_ = false, awaited_ = false, asked_to_end_ = false;
  Event* notice_ = nullptr;
  void* attached_ = nullptr;
  Waiter start_;
  std::coroutine_handle<> handle_;
};

struct CurrentOp {};  // `Op& op = co_await CurrentOp();`

class [[nodiscard]] OpTask {
 public:
  struct promise_type {
    Op op;
    OpTask get_return_object() { return OpTask(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void unhandled_exception() noexcept { std::terminate(); }
    void return_void() noexcept { op.release(); }

    struct ThisOp {
      Op& op;
      bool await_ready() noexcept { return true; }
      void await_suspend(std::coroutine_handle<>) noexcept {}
      Op& await_resume() noexcept { return op; }
    };
    ThisOp await_transform(CurrentOp) noexcept { return {op}; }
    template <typename A>
    A&& await_transform(A&& awaitable) noexcept {
      return std::forward<A>(awaitable);
    }
  };

  explicit OpTask(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  OpTask(OpTask&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  ~OpTask() {
    if (handle_) handle_.destroy();
  }

 private:
  friend class OpTable;
  std::coroutine_handle<promise_type> handle_;
};

class OpTable {
 public:
  explicit OpTable(Loop& loop) : loop_(loop), idle_(loop) { idle_.set(); }
  ~OpTable() { cancel_all(); }
  OpTable(const OpTable&) = delete;

  // How many of a service are open: callers refuse more than their bound before they make a task.
  size_t open(OpService service) const { return open_[static_cast<size_t>(service)]; }
  size_t open() const { return slots_.size(); }
  OpId start(OpService service, OpTask task) { return begin(service, std::move(task), false); }
  // Never destroyed, only asked to end; idle() waits for it.
  OpId start_awaited(OpService service, OpTask task) { return begin(service, std::move(task), true); }
  // Destroys it: its callback is not called. One that makes a callback right now ends with that. Only of the service that is named.
  void cancel(OpService service, OpId id);
  // For shard_stop: afterwards only awaited operations are left, which are asked to end, and nothing new is begun.
  void cancel_all();
  bool stopped() const { return stopped_; }
  Event::Awaiter idle(Deadline deadline) { return idle_.wait(deadline); }
  // The operation behind an id, if it is of this service: streams.
  Op* find(OpService service, OpId id);
  Loop& loop() { return loop_; }

 private:
  friend class Op;
  OpId begin(OpService service, OpTask task, bool awaited);
  void forget(Op& op);

  Loop& loop_;
  Slots<Op*> slots_;
  std::array<size_t, kOpServices> open_{};
  bool stopped_ = false;
  Event idle_;
};

}  // namespace veredus
