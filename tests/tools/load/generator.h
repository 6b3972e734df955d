// The run as a whole: epoll, the connections, pacing of messages, reconnecting, signals, and the end.
// One thread; the clock is read once a turn.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <vector>

#include "common/net.h"
#include "load/connection.h"
#include "load/host.h"
#include "load/message.h"
#include "load/report.h"

namespace veredus::tools {

class Generator final : public Host {
 public:
  explicit Generator(const LoadOptions& options);
  bool prepare();
  /// The exit status: 0 when every message was answered, 1 when not, 3 when no connection ever opened.
  int run();

  const LoadOptions& options() const override { return options_; }
  std::int64_t now() const override { return now_; }
  Supply take_message(Message& message) override;
  void append_recipient(std::string& out, const Message& message, std::uint64_t index) override;
  void finished(const Finished& result) override;
  void watch(int fd, std::size_t connection) override;
  void connected(std::size_t connection) override;
  void greeted(std::size_t connection) override;
  void wants_message(std::size_t connection) override;
  void closed(std::size_t connection, Closing how, const char* why) override;

 private:
  struct Reopen {
    std::int64_t due = 0;
    std::size_t connection = 0;
    bool operator>(const Reopen& other) const { return due > other.due; }
  };

  void turn();
  void wait_for_events();
  std::int64_t next_wakeup() const;
  bool may_open() const;
  void retire(std::size_t connection);
  void open_gate_when_greeted();
  void open_due();
  void wake_due();
  void sweep();
  void on_signal();
  void stop(const char* why);
  std::int64_t next_message_due() const;
  bool supply_ended() const;
  bool done() const;
  std::int64_t since_start(double seconds) const;

  const LoadOptions& options_;
  MessageMaker maker_;
  Report report_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::priority_queue<Reopen, std::vector<Reopen>, std::greater<>> reopen_;
  std::deque<std::size_t> waiting_;
  Fd epoll_;
  Fd signals_;
  std::int64_t now_ = 0;
  std::int64_t started_ = 0;
  std::int64_t next_sweep_ = 0;
  std::int64_t unreachable_since_ = 0;
  std::int64_t backoff_ = 0;
  std::int64_t next_probe_ = 0;
  std::uint64_t numbers_ = 0;
  std::uint64_t in_hand_ = 0;
  std::uint64_t opening_ = 0;
  std::uint64_t active_open_ = 0;
  std::uint64_t idle_open_ = 0;
  std::uint64_t idle_gone_ = 0;
  std::uint64_t active_greeted_ = 0;
  bool gate_open_ = false;
  bool idle_announced_ = false;
  bool stopping_ = false;
};

}  // namespace veredus::tools
