// StartWatch: names the plugin whose create() or shard_start() does not return, from a thread of its own, since theirs is held up. There is
// no way to stop such a call, so nothing is refused: who waits sees in the log for whom. One while a configuration is being started.
#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/clock.h"
#include "log/log.h"

namespace veredus {

class StartWatch {
  struct Running {
    std::string plugin;
    std::string_view function;
    std::chrono::steady_clock::time_point since, told;
  };

 public:
  StartWatch(LogSink& sink, const Clock& clock, Millis every);
  StartWatch(const StartWatch&) = delete;
  ~StartWatch();

  // Around a call; any thread.
  class Call {
   public:
    Call(StartWatch* watch, std::string plugin, std::string_view function);  // null: nobody watches
    Call(const Call&) = delete;
    ~Call();

   private:
    StartWatch* watch_;
    std::list<Running>::iterator place_;
  };

 private:
  void watch();
  void tell(std::chrono::steady_clock::time_point now);

  Log log_;  // the thread's
  std::chrono::milliseconds every_;
  std::mutex mutex_;
  std::condition_variable ends_;
  std::list<Running> running_;
  bool ended_ = false;
  std::thread thread_;  // the last, for it uses the others
};

}  // namespace veredus
