// within(): the answer of a task that may come too late or never; when the time is over the task is destroyed. [loop]
#pragma once

#include <optional>
#include <utility>

#include "loop/scope.h"

namespace veredus {

namespace outbound_detail {

template <typename T>
Task<void> keep_answer(Task<T> task, std::optional<T>* out, Event* done) {
  out->emplace(co_await task);
  done->set();
}

}  // namespace outbound_detail

template <typename T>
Task<std::optional<T>> within(Loop& loop, Task<T> task, Deadline deadline) {
  std::optional<T> out;
  Event done(loop);
  Scope scope(loop);
  scope.spawn(outbound_detail::keep_answer(std::move(task), &out, &done));
  co_await done.wait(deadline);
  scope.cancel();
  co_return std::move(out);
}

}  // namespace veredus
