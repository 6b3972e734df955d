// Scope: owns running tasks. A task is removed when it ends; cancel() destroys those that are left, which runs their destructors;
// a scope that dies cancels first. `co_await scope.idle(deadline)` waits until all have ended by themselves. [loop]
#pragma once

#include <cstddef>

#include "loop/task.h"
#include "loop/wait.h"

namespace veredus {

class Scope {
 public:
  explicit Scope(Loop& loop) : loop_(loop), idle_(loop) { idle_.set(); }
  ~Scope() { cancel(); }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  void spawn(Task<void> task);  // runs at once until its first wait
  void cancel();                // not from a task of this scope
  size_t running() const { return running_; }
  Event::Awaiter idle(Deadline deadline) { return idle_.wait(deadline); }
  Loop& loop() { return loop_; }

 private:
  struct Root;
  void ended(Root* root);

  Loop& loop_;
  Root* first_ = nullptr;
  size_t running_ = 0;
  Event idle_;
};

}  // namespace veredus
