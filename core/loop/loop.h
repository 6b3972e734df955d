// Loop: one libuv loop and the thread that runs it. Owns the ready list (coroutines to resume, drained once a turn), the timer
// heap and the inbox through which other threads hand over work. Everything here is [loop] unless marked [any].
#pragma once

#include <uv.h>

#include <atomic>
#include <coroutine>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace veredus {

class Loop;

// A suspended coroutine that something will wake. Lives inside an awaiter; unlinks itself when the awaiter dies.
class Waiter {
 public:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() { unlink(); }

  void arm(std::coroutine_handle<> handle) { handle_ = handle; }
  bool armed() const { return static_cast<bool>(handle_); }
  void wake(Loop& loop);  // resumes in this or the next drain; a second wake before that is ignored
  void unlink();

 private:
  friend class Loop;
  std::coroutine_handle<> handle_;
  Waiter* previous_ = nullptr;
  Waiter* next_ = nullptr;
};

// Calls back once at a time. Intrusive; cancels itself when it dies.
class Timer {
 public:
  using Callback = void (*)(void*);
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { cancel(); }

  void start(Loop& loop, MonoTime when, Callback callback, void* context);
  void cancel();
  bool active() const { return loop_ != nullptr; }

 private:
  friend class Loop;
  Loop* loop_ = nullptr;
  size_t heap_index_ = 0;
  MonoTime when_{};
  Callback callback_ = nullptr;
  void* context_ = nullptr;
};

// Work handed to a loop from another thread. Owned by the inbox until it ran; destroyed unrun when the loop ends first.
class Job {
 public:
  virtual ~Job() = default;
  virtual void run() = 0;

 private:
  friend class Loop;
  Job* next_ = nullptr;
};

// At the end of every turn, before the loop waits for events again (log lines, spool batches, write coalescing).
class TurnEnd {
 public:
  virtual ~TurnEnd() = default;
  virtual void turn_end() = 0;
};

class Loop {
 public:
  explicit Loop(const Clock& clock, unsigned index = 0);
  ~Loop();  // asserts that every handle was closed
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();           // until stop(); then runs until handles that are closing have closed
  void stop();          // [any]
  bool run_turn(Millis wait_at_most);  // one turn, for tests; false when nothing was left to do
  void post(std::unique_ptr<Job> job);  // [any] in order per posting thread
  template <typename F>
  void post_call(F call) {  // [any] F: move-only callable without arguments
    struct Call final : Job {
      explicit Call(F f) : f(std::move(f)) {}
      void run() override { f(); }
      F f;
    };
    post(std::make_unique<Call>(std::move(call)));
  }

  uv_loop_t* uv() { return &uv_; }
  const Clock& clock() const { return clock_; }
  MonoTime now() const { return now_; }  // of this turn
  unsigned index() const { return index_; }
  bool on_loop_thread() const;
  void at_turn_end(TurnEnd* observer) { turn_ends_.push_back(observer); }
  void forget_turn_end(TurnEnd* observer);
  // 64 KiB that a read callback may fill and must empty before it returns.
  char* shared_buffer() { return shared_buffer_.get(); }
  static constexpr size_t kSharedBufferSize = 65536;

 private:
  friend class Waiter;
  friend class Timer;
  void drain_ready();
  void drain_inbox();
  void fire_timers();
  void arm_uv_timer();
  void heap_up(size_t index);
  void heap_down(size_t index);
  void heap_place(size_t index, Timer* timer);
  void remove_timer(Timer* timer);

  const Clock& clock_;
  unsigned index_;
  uv_loop_t uv_{};
  uv_async_t async_{};
  uv_timer_t timer_{};
  MonoTime now_;
  Waiter ready_;  // head of a circular list
  std::vector<Timer*> heap_;
  std::vector<TurnEnd*> turn_ends_;
  std::atomic<Job*> inbox_{nullptr};
  std::atomic<bool> stopping_{false};
  std::unique_ptr<char[]> shared_buffer_;
  uv_thread_t thread_{};
};

}  // namespace veredus
