// Event: the list of its waiting coroutines.
#include "loop/wait.h"

namespace veredus {

Event::~Event() {
  for (Awaiter* a = first_; a; a = a->next_) {
    a->listed_ = false;
    a->event_ = nullptr;
  }
}

void Event::set() {
  set_ = true;
  while (first_) {
    Awaiter* awaiter = std::exchange(first_, first_->next_);
    awaiter->listed_ = false;
    awaiter->complete();
  }
}

void Event::remove(Awaiter* awaiter) {
  for (Awaiter** link = &first_; *link; link = &(*link)->next_)
    if (*link == awaiter) {
      *link = awaiter->next_;
      return;
    }
}

void Event::Awaiter::await_suspend(std::coroutine_handle<> handle) {
  suspend(handle);
  next_ = event_->first_;
  event_->first_ = this;
  listed_ = true;
}

Event::Awaiter::~Awaiter() {
  if (listed_) event_->remove(this);
}

}  // namespace veredus
