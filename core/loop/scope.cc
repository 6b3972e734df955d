// Scope: a root coroutine per spawned task, linked in a list.
#include "loop/scope.h"

#include <cassert>
#include <exception>

namespace veredus {

// Drives one task. The frame of `run` owns the task; destroying the frame cancels it. A frame that ends by itself first leaves the list.
struct Scope::Root {
  Scope* scope = nullptr;
  Root* previous = nullptr;
  Root* next = nullptr;
  std::coroutine_handle<> handle;

  struct Handle;
  static Handle run(Task<void> task);
};

struct Scope::Root::Handle {
  struct promise_type {
    Root root;
    Handle get_return_object();
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void unhandled_exception() noexcept { std::terminate(); }
    void return_void() noexcept { root.scope->ended(&root); }
  };
  std::coroutine_handle<promise_type> handle;
};

Scope::Root::Handle Scope::Root::Handle::promise_type::get_return_object() {
  return {std::coroutine_handle<promise_type>::from_promise(*this)};
}

Scope::Root::Handle Scope::Root::run(Task<void> task) { co_await task; }

void Scope::spawn(Task<void> task) {
  auto handle = Root::run(std::move(task)).handle;
  Root& root = handle.promise().root;
  root.scope = this;
  root.handle = handle;
  root.next = first_;
  if (first_) first_->previous = &root;
  first_ = &root;
  ++running_;
  idle_.reset();
  handle.resume();
}

void Scope::ended(Root* root) {
  if (root->previous) root->previous->next = root->next;
  else first_ = root->next;
  if (root->next) root->next->previous = root->previous;
  if (--running_ == 0) idle_.set();
}

void Scope::cancel() {
  while (first_) {
    Root* root = first_;
    ended(root);
    root->handle.destroy();
  }
}

}  // namespace veredus
