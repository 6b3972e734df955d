// SignalWatch: SIGTERM, SIGHUP and the end of the supervisor, as events of loop 0. [loop]
#pragma once

#include <uv.h>

#include "loop/wait.h"

namespace veredus {

class SignalWatch {
 public:
  SignalWatch(Loop& loop, int life_fd);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;

  Event::Awaiter any(Deadline deadline) { return happened_.wait(deadline); }
  void clear() { happened_.reset(); }
  bool stop_asked() const { return stop_; }
  bool take_reload() { return std::exchange(reload_, false); }

 private:
  struct Handles;
  void note(int signal);

  Event happened_;
  bool stop_ = false;
  bool reload_ = false;
  Handles* handles_;
};

}  // namespace veredus
