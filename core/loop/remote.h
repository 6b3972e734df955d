// Remote<T>: one answer that another thread owes to a coroutine of this loop. The asking side waits on it; the answering side holds
// a Promise it may fulfil from any thread, once; a promise that dies unfulfilled answers Errc::cancelled. If the asker goes away
// first, the answer is dropped harmlessly.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "base/result.h"
#include "loop/wait.h"

namespace veredus {

template <typename T>
class Remote {
  struct State {
    explicit State(Loop& l) : loop(l) {}
    Loop& loop;
    Remote* asker = nullptr;  // [loop]
    std::optional<Result<T>> answer;
  };

 public:
  class Promise {
   public:
    Promise() = default;
    explicit Promise(std::shared_ptr<State> state) : state_(std::move(state)) {}
    Promise(Promise&&) noexcept = default;
    Promise& operator=(Promise&& other) noexcept {
      std::swap(state_, other.state_);
      return *this;
    }
    ~Promise() {
      if (state_) fulfil(Result<T>(fail(Errc::cancelled, "the other side ended")));
    }
    void fulfil(Result<T> answer) {  // [any] once
      auto state = std::move(state_);
      Loop& loop = state->loop;
      loop.post_call([state = std::move(state), answer = std::move(answer)]() mutable {
        state->answer.emplace(std::move(answer));
        if (state->asker) state->asker->answered_.set();
      });
    }
    explicit operator bool() const { return static_cast<bool>(state_); }

   private:
    std::shared_ptr<State> state_;
  };

  explicit Remote(Loop& loop) : state_(std::make_shared<State>(loop)), answered_(loop) { state_->asker = this; }
  Remote(const Remote&) = delete;
  ~Remote() { state_->asker = nullptr; }

  Promise promise() { return Promise(state_); }  // call once
  // `if (co_await remote.answered(deadline)) use(remote.take());`
  Event::Awaiter answered(Deadline deadline) { return answered_.wait(deadline); }
  Result<T> take() {
    if (!state_->answer) return fail(Errc::timeout, "no answer in time");
    return std::move(*state_->answer);
  }

 private:
  std::shared_ptr<State> state_;
  Event answered_;
};

}  // namespace veredus
