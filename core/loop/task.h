// Task<T>: a lazily started coroutine, owned by whoever holds it. Awaiting runs the child inline until it first suspends; no
// symmetric transfer, so long synchronous chains need no stack. Destroying a Task destroys its frame, which is how work is
// cancelled: awaiters detach in their destructors. Belongs to one loop thread.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace veredus {

template <typename T>
class Task;

namespace detail {

struct PromiseBase {
  std::coroutine_handle<> continuation;
  bool waiting = false;  // the awaiting coroutine really suspended

  struct Final {
    bool await_ready() noexcept { return false; }
    template <typename P>
    void await_suspend(std::coroutine_handle<P> self) noexcept {
      PromiseBase& promise = self.promise();
      if (promise.waiting) promise.continuation.resume();
    }
    void await_resume() noexcept {}
  };

  std::suspend_always initial_suspend() noexcept { return {}; }
  Final final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { std::terminate(); }  // a bug or no memory: never an expected failure
};

template <typename T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <typename U>
  void return_value(U&& v) {
    value.emplace(std::forward<U>(v));
  }
  T take() { return std::move(*value); }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() noexcept {}
  void take() noexcept {}
};

}  // namespace detail

template <typename T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> caller) {
    promise_type& promise = handle_.promise();
    promise.continuation = caller;
    handle_.resume();
    if (handle_.done()) return false;
    promise.waiting = true;
    return true;
  }
  T await_resume() { return handle_.promise().take(); }

  // For Scope only: runs the task until it first suspends.
  Handle start() {
    handle_.resume();
    return handle_;
  }
  bool done() const { return handle_.done(); }

 private:
  Handle handle_;
};

template <typename T>
Task<T> detail::Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}

inline Task<void> detail::Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

}  // namespace veredus
