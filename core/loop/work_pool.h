// WorkPool: threads for blocking work (files, password hashes). Bounded queue; results come back to the asking loop.
// Owns its threads; submit() is [any], results are delivered on the loop that asked.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"
#include "loop/remote.h"
#include "loop/task.h"

namespace veredus {

class WorkPool {
 public:
  explicit WorkPool(unsigned threads, size_t max_queued = 100'000);
  ~WorkPool();  // finishes what is queued

  bool submit(std::function<void()> work);  // [any] false: the queue is full

 private:
  void work();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  size_t max_queued_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

// Runs `work` on the pool and resumes here with its result. If the asker is destroyed first, the work still runs; its result is
// dropped, so `work` must own what it touches.
template <typename T>
Task<Result<T>> run_on(Loop& loop, WorkPool& pool, std::function<Result<T>()> work) {
  Remote<T> remote(loop);
  auto promise = std::make_shared<typename Remote<T>::Promise>(remote.promise());
  bool queued = pool.submit([promise, work = std::move(work)] { promise->fulfil(work()); });
  if (!queued) co_return fail(Errc::busy, "too much blocking work is queued");
  promise.reset();
  co_await remote.answered(Deadline::never());
  co_return remote.take();
}

}  // namespace veredus
