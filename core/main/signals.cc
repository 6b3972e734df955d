// Signals and the supervisor's life pipe through libuv.
#include "main/signals.h"

#include <csignal>

namespace veredus {

// Four handles; the block is freed when the last has closed.
struct SignalWatch::Handles {
  uv_signal_t term{}, interrupt{}, hangup{};
  uv_poll_t life{};
  SignalWatch* watch = nullptr;
  int open = 4;

  void close(uv_handle_t* handle) {
    uv_close(handle, [](uv_handle_t* closed) {
      auto* all = static_cast<Handles*>(closed->data);
      if (--all->open == 0) delete all;
    });
  }
};

SignalWatch::SignalWatch(Loop& loop, int life_fd) : happened_(loop), handles_(new Handles) {
  handles_->watch = this;
  struct {
    uv_signal_t* handle;
    int number;
  } wanted[] = {{&handles_->term, SIGTERM}, {&handles_->interrupt, SIGINT}, {&handles_->hangup, SIGHUP}};
  for (auto& one : wanted) {
    uv_signal_init(loop.uv(), one.handle);
    one.handle->data = handles_;
    uv_signal_start(one.handle, [](uv_signal_t* h, int number) { static_cast<Handles*>(h->data)->watch->note(number); }, one.number);
  }
  uv_poll_init(loop.uv(), &handles_->life, life_fd);
  handles_->life.data = handles_;
  uv_poll_start(&handles_->life, UV_READABLE | UV_DISCONNECT, [](uv_poll_t* h, int, int) {
    uv_poll_stop(h);
    static_cast<Handles*>(h->data)->watch->note(SIGTERM);
  });
}

SignalWatch::~SignalWatch() {
  for (uv_handle_t* handle : {reinterpret_cast<uv_handle_t*>(&handles_->term), reinterpret_cast<uv_handle_t*>(&handles_->interrupt),
                              reinterpret_cast<uv_handle_t*>(&handles_->hangup), reinterpret_cast<uv_handle_t*>(&handles_->life)})
    handles_->close(handle);
}

void SignalWatch::note(int number) {
  (number == SIGHUP ? reload_ : stop_) = true;
  happened_.set();
}

}  // namespace veredus
