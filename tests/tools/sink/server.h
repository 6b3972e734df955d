// The sink as a whole: listening sockets, sessions, alarms, signals, and the end of the run. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <vector>

#include "sink/session.h"

namespace veredus::tools {

class Server final : public Alarm {
 public:
  explicit Server(SinkOptions& options);
  bool prepare();
  int run();
  void call_back(std::uint64_t key, double seconds) override;

 private:
  struct Slot {
    std::unique_ptr<Session> session;
    std::uint32_t generation = 0;
  };
  struct Call {
    std::int64_t due = 0;
    std::uint64_t key = 0;
    bool operator>(const Call& other) const { return due > other.due; }
  };

  bool open_listeners();
  bool watch(int fd, std::uint64_t key, std::uint32_t events);
  void dispatch(std::uint64_t key, std::uint32_t events);
  void accept_all(int listener);
  void admit(Fd socket);
  void answer_calls();
  void on_signal();
  void print_counts();
  Session* find(std::uint64_t key);
  void retire_if_finished(std::uint64_t key);
  int pause_ms() const;

  SinkOptions& options_;
  Store store_;
  Counts counts_;
  Fd epoll_;
  Fd signals_;
  std::vector<Fd> listeners_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::priority_queue<Call, std::vector<Call>, std::greater<>> calls_;
  std::int64_t next_flush_ = 0;
  bool stopping_ = false;
};

}  // namespace veredus::tools
