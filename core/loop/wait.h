// What a coroutine may wait for: a point in time, an Event set by someone on the same loop, a Mailbox that other threads fill.
// Every outside wait takes a Deadline. [loop] unless marked.
#pragma once

#include <deque>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "loop/loop.h"

namespace veredus {

// When to give up. Deadline::never() only for waits on our own work that is certain to end.
struct Deadline {
  MonoTime when{MonoTime::max()};
  static Deadline never() { return {}; }
  static Deadline in(const Loop& loop, Millis span) { return Deadline{loop.now() + span}; }
  bool is_never() const { return when == MonoTime::max(); }
  Deadline sooner(Deadline other) const { return other.when < when ? other : *this; }
};

// Base of awaiters that end either by being woken or by their deadline.
class TimedWait {
 public:
  TimedWait(Loop& loop, Deadline deadline) : loop_(loop), deadline_(deadline) {}
  TimedWait(const TimedWait&) = delete;

  void suspend(std::coroutine_handle<> handle) {
    waiter_.arm(handle);
    if (!deadline_.is_never()) timer_.start(loop_, deadline_.when, &TimedWait::expire, this);
  }
  void complete() {
    timer_.cancel();
    waiter_.wake(loop_);
  }
  bool timed_out() const { return timed_out_; }
  Loop& loop() { return loop_; }

 private:
  static void expire(void* self) {
    auto* wait = static_cast<TimedWait*>(self);
    wait->timed_out_ = true;
    wait->waiter_.wake(wait->loop_);
  }

  Loop& loop_;
  Deadline deadline_;
  Waiter waiter_;
  Timer timer_;
  bool timed_out_ = false;
};

// co_await sleep_until(loop, deadline)
class SleepAwaiter : TimedWait {
 public:
  using TimedWait::TimedWait;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) { suspend(handle); }
  void await_resume() {}
};
inline SleepAwaiter sleep_until(Loop& loop, Deadline deadline) { return {loop, deadline}; }
inline SleepAwaiter sleep_for(Loop& loop, Millis span) { return {loop, Deadline::in(loop, span)}; }

// A flag that coroutines of one loop wait for. set() wakes all; stays set until reset().
class Event {
 public:
  explicit Event(Loop& loop) : loop_(loop) {}
  Event(const Event&) = delete;
  ~Event();

  class Awaiter : TimedWait {
   public:
    Awaiter(Event& event, Deadline deadline) : TimedWait(event.loop_, deadline), event_(&event) {}
    ~Awaiter();
    bool await_ready() const { return event_->set_; }
    void await_suspend(std::coroutine_handle<> handle);
    bool await_resume() const { return !timed_out(); }  // false: the deadline came first

   private:
    friend class Event;
    Event* event_;
    Awaiter* next_ = nullptr;
    bool listed_ = false;
  };

  void set();
  void reset() { set_ = false; }
  bool is_set() const { return set_; }
  Awaiter wait(Deadline deadline) { return {*this, deadline}; }

 private:
  void remove(Awaiter* awaiter);
  Loop& loop_;
  Awaiter* first_ = nullptr;
  bool set_ = false;
};

// Values for one consuming coroutine of this loop, put by code on this loop. To fill it from another thread use
// loop.post_call with a job that puts.
template <typename T>
class Mailbox {
 public:
  explicit Mailbox(Loop& loop) : filled_(loop) {}
  void put(T value) {
    values_.push_back(std::move(value));
    filled_.set();
  }
  std::optional<T> take() {
    if (values_.empty()) return std::nullopt;
    std::optional<T> out(std::move(values_.front()));
    values_.pop_front();
    if (values_.empty()) filled_.reset();
    return out;
  }
  Event::Awaiter filled(Deadline deadline) { return filled_.wait(deadline); }
  size_t size() const { return values_.size(); }

 private:
  Event filled_;
  std::deque<T> values_;
};

}  // namespace veredus
