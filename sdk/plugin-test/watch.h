// The watch: which kind of thread runs now, and every rule of the interface that the plugin broke. One a process; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace veredus::ptest {

enum class Role : uint8_t { foreign, main, loop, worker };  // foreign: a thread that the host did not make
std::string_view role_text(Role role);
Role current_role();

class InRole {
 public:
  explicit InRole(Role role);
  ~InRole();
  InRole(const InRole&) = delete;

 private:
  Role before_;
};

class Watch {
 public:
  void breach(std::string_view rule, std::string_view what);  // "thread": "core.dns query on thread main, not loop"
  void warn(std::string_view what);
  // What ends this process, after it has reported; for a plugin that would never come back.
  void on_give_up(std::function<void()> end) { end_ = std::move(end); }
  void give_up() { end_(); }
  std::vector<std::string> breaches() const;
  std::vector<std::string> warnings() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> breaches_, warnings_;
  std::function<void()> end_;
};
Watch& watch();

// Runs a function of the plugin: in a role, timed, and no exception gets through.
template <typename Function>
bool guarded(Role role, std::string_view what, Function&& function) {
  InRole in(role);
  try {
    function();
    return true;
  } catch (...) {
    watch().breach("exception", std::string(what) + " let an exception out");
    return false;
  }
}

// A hook or callback on the loop: warns when it held the loop for more than 2 ms.
class LoopTime {
 public:
  explicit LoopTime(std::string what);
  ~LoopTime();
  LoopTime(const LoopTime&) = delete;

 private:
  std::string what_;
  int64_t real_, cpu_, blocked_;
};

}  // namespace veredus::ptest
