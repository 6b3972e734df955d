// The turn of a loop: libuv's events, due timers, the inbox, then the ready list until it is empty.
#include "loop/loop.h"

#include <algorithm>
#include <cassert>

namespace veredus {

void Waiter::wake(Loop& loop) {
  if (next_ || !handle_) return;
  previous_ = loop.ready_.previous_;
  next_ = &loop.ready_;
  previous_->next_ = this;
  next_->previous_ = this;
}

void Waiter::unlink() {
  if (!next_) return;
  previous_->next_ = next_;
  next_->previous_ = previous_;
  next_ = previous_ = nullptr;
}

void Timer::start(Loop& loop, MonoTime when, Callback callback, void* context) {
  cancel();
  loop_ = &loop;
  when_ = when;
  callback_ = callback;
  context_ = context;
  loop.heap_.push_back(this);
  heap_index_ = loop.heap_.size() - 1;
  loop.heap_up(heap_index_);
}

void Timer::cancel() {
  if (!loop_) return;
  loop_->remove_timer(this);
  loop_ = nullptr;
}

Loop::Loop(const Clock& clock, unsigned index)
    : clock_(clock), index_(index), now_(clock.mono()), shared_buffer_(new char[kSharedBufferSize]) {
  ready_.next_ = ready_.previous_ = &ready_;
  uv_loop_init(&uv_);
  async_.data = timer_.data = this;
  uv_async_init(&uv_, &async_, [](uv_async_t*) {});
  uv_timer_init(&uv_, &timer_);
  thread_ = uv_thread_self();
}

Loop::~Loop() {
  uv_close(reinterpret_cast<uv_handle_t*>(&async_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
  while (uv_run(&uv_, UV_RUN_NOWAIT) != 0) {
  }
  for (Job* job = inbox_.exchange(nullptr); job;) delete std::exchange(job, job->next_);
  [[maybe_unused]] int closed = uv_loop_close(&uv_);
  assert(closed == 0);
  assert(heap_.empty());
  ready_.next_ = ready_.previous_ = nullptr;
}

bool Loop::on_loop_thread() const {
  uv_thread_t self = uv_thread_self();
  return uv_thread_equal(&self, &thread_) != 0;
}

void Loop::run() {
  thread_ = uv_thread_self();
  while (!stopping_.load(std::memory_order_acquire)) run_turn(Millis(60'000));
  stopping_ = false;
}

void Loop::stop() {
  stopping_.store(true, std::memory_order_release);
  uv_async_send(&async_);
}

bool Loop::run_turn(Millis wait_at_most) {
  now_ = clock_.mono();
  MonoTime until = now_ + wait_at_most;
  if (!heap_.empty()) until = std::min(until, heap_.front()->when_);
  bool busy = ready_.next_ != &ready_ || inbox_.load(std::memory_order_acquire) || until <= now_;
  if (!busy) {
    uv_update_time(&uv_);
    // It repeats because uv_run looks at timers before it polls: one that fired there, when this thread had to wait for a processor in
    // between, would leave the poll without an end.
    uv_timer_start(&timer_, [](uv_timer_t*) {}, static_cast<uint64_t>((until - now_).count()), 1);
  }
  uv_run(&uv_, busy ? UV_RUN_NOWAIT : UV_RUN_ONCE);
  uv_timer_stop(&timer_);
  now_ = clock_.mono();
  fire_timers();
  drain_inbox();
  drain_ready();
  for (size_t i = 0; i < turn_ends_.size(); ++i) turn_ends_[i]->turn_end();
  return ready_.next_ != &ready_ || !heap_.empty() || uv_loop_alive(&uv_) != 0;
}

void Loop::forget_turn_end(TurnEnd* observer) { std::erase(turn_ends_, observer); }

void Loop::post(std::unique_ptr<Job> job) {
  Job* mine = job.release();
  Job* head = inbox_.load(std::memory_order_relaxed);
  do {
    mine->next_ = head;
  } while (!inbox_.compare_exchange_weak(head, mine, std::memory_order_release, std::memory_order_relaxed));
  // From here on the job may have run and be gone. Only the first of a batch has to wake the loop: it takes the whole inbox at once.
  if (!head) uv_async_send(&async_);
}

void Loop::drain_inbox() {
  Job* newest_first = inbox_.exchange(nullptr, std::memory_order_acquire);
  Job* oldest_first = nullptr;
  while (newest_first) {
    Job* job = std::exchange(newest_first, newest_first->next_);
    job->next_ = oldest_first;
    oldest_first = job;
  }
  while (oldest_first) {
    std::unique_ptr<Job> job(std::exchange(oldest_first, oldest_first->next_));
    job->run();
  }
}

// Takes what is ready now; what becomes ready meanwhile waits for the next turn, so input and timers are never starved.
void Loop::drain_ready() {
  if (ready_.next_ == &ready_) return;
  Waiter batch;
  batch.next_ = ready_.next_;
  batch.previous_ = ready_.previous_;
  batch.next_->previous_ = batch.previous_->next_ = &batch;
  ready_.next_ = ready_.previous_ = &ready_;
  while (batch.next_ != &batch) {
    Waiter* waiter = batch.next_;
    waiter->unlink();
    std::exchange(waiter->handle_, {}).resume();
  }
  batch.next_ = batch.previous_ = nullptr;
}

void Loop::fire_timers() {
  while (!heap_.empty() && heap_.front()->when_ <= now_) {
    Timer* timer = heap_.front();
    timer->cancel();
    timer->callback_(timer->context_);
  }
}

void Loop::heap_place(size_t index, Timer* timer) {
  heap_[index] = timer;
  timer->heap_index_ = index;
}

void Loop::heap_up(size_t index) {
  Timer* timer = heap_[index];
  for (; index > 0 && timer->when_ < heap_[(index - 1) / 2]->when_; index = (index - 1) / 2)
    heap_place(index, heap_[(index - 1) / 2]);
  heap_place(index, timer);
}

void Loop::heap_down(size_t index) {
  Timer* timer = heap_[index];
  for (;;) {
    size_t child = 2 * index + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->when_ < heap_[child]->when_) ++child;
    if (timer->when_ <= heap_[child]->when_) break;
    heap_place(index, heap_[child]);
    index = child;
  }
  heap_place(index, timer);
}

void Loop::remove_timer(Timer* timer) {
  size_t index = timer->heap_index_;
  Timer* last = heap_.back();
  heap_.pop_back();
  if (last == timer) return;
  heap_place(index, last);
  heap_up(index);
  heap_down(last->heap_index_);
}

}  // namespace veredus
