// Rig: a loop, a memory spool, a queue that only remembers, and clients on real loopback sockets, for tests
// of sessions. Time is a fake clock: it moves only when a test says so.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>

#include <string>
#include <vector>

#include "inbound/session.h"
#include "log/sinks.h"
#include "loop/scope.h"
#include "spool/memory_spool.h"

namespace veredus {

class RememberingQueue final : public Queue {
 public:
  void add(std::shared_ptr<const Message> message) override { added.push_back(std::move(message)); }
  Task<Status> recover() override { co_return Status(); }
  void start() override {}
  void reconfigure(SettingsPtr) override {}
  Task<void> drain(Deadline) override { co_return; }
  Task<std::vector<StoredMessage>> list(QueueFilter, size_t) override {
    co_return std::vector<StoredMessage>();
  }
  Task<Result<uint64_t>> act(QueueFilter, QueueAction, std::string) override { co_return uint64_t{0}; }
  std::vector<DestinationInfo> destinations() const override { return {}; }
  uint64_t suspend(const std::string&, std::string) override { return 0; }
  uint64_t resume(const std::string&) override { return 0; }
  QueueCounters counters() const override { return {}; }
  QueuePort& port() override { std::abort(); }

  std::vector<std::shared_ptr<const Message>> added;
};

class Rig {
 public:
  Rig() : Rig([](Settings&) {}) {}
  explicit Rig(const std::function<void(Settings&)>& change) : settings_(default_settings()) {
    settings_.hostname = "mx.test";
    settings_.postmaster = "admin@mx.test";
    settings_.relay_networks = {*Network::parse("127.0.0.1/32")};
    settings_.exempt_networks = settings_.relay_networks;
    settings_.relay_domains = {"here.test"};
    change(settings_);
    auto shared = std::make_shared<const Settings>(settings_);
    memory.set_cap(settings_.limits.memory);
    table = std::make_unique<ConnectionTable>(loop, shared);
    context =
        std::make_unique<SessionContext>(loop, shared, spool, queue, runner, log, ids, memory, table.get());
    listener.role = Role::mx;
    open_listener();
  }
  ~Rig() {
    scope.cancel();
    for (int i = 0; i < 3; ++i) loop.run_turn(Millis(0));  // handles that are closing
    close(listening_);
  }

  class Client;
  void turn() {
    loop.run_turn(Millis(1));
    log.flush();
  }
  // Turns of the loop until something holds; gives up after far too many.
  template <typename F>
  bool until(F holds) {
    for (int i = 0; i < 5'000; ++i) {
      if (holds()) return true;
      turn();
    }
    return false;
  }
  void pass(Millis time) {
    clock.advance(time);
    for (int i = 0; i < 3; ++i) loop.run_turn(Millis(0));
    log.flush();
  }
  std::string stored(size_t index) const {
    const Content& content = queue.added.at(index)->content;
    return content.head + content.memory->substr(content.skip);
  }

  FakeClock clock;
  Loop loop{clock};
  MemorySpool spool{loop};
  RememberingQueue queue;
  ListSink sink;
  Log log{clock, sink, Severity::debug};
  IdGenerator ids{clock, 0};
  MemoryBudget memory{0};
  Runner runner{loop, log, std::make_shared<const HookSet>()};
  std::unique_ptr<ConnectionTable> table;
  std::unique_ptr<SessionContext> context;
  Scope scope{loop};
  ListenerSettings listener;
  int listening_ = -1;

 private:
  void open_listener();
  Settings settings_;
};

// The other side of a connection: writes octets, reads whole replies.
class Rig::Client {
 public:
  explicit Client(Rig& rig, const char* from = "127.0.0.1", bool counted = false,
                  std::string_view at_once = {})
      : rig_(rig) {
    sockaddr_storage to{};
    socklen_t length = sizeof to;
    getsockname(rig.listening_, reinterpret_cast<sockaddr*>(&to), &length);
    fd_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_storage source{};
    unsigned size = Endpoint{*IpAddress::parse(from), 0}.to(&source);
    REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&source), size) == 0);
    REQUIRE(connect(fd_, reinterpret_cast<sockaddr*>(&to), length) == 0);
    fcntl(fd_, F_SETFL, O_NONBLOCK);
    if (!at_once.empty()) send(at_once);
    accept(counted);
  }
  Client(const Client&) = delete;
  ~Client() { hang_up(); }

  void hang_up() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  void send(std::string_view octets) {
    while (!octets.empty()) {
      ssize_t sent = ::send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL);
      if (sent > 0)
        octets.remove_prefix(static_cast<size_t>(sent));
      else if (errno != EAGAIN)
        return;
      else
        rig_.turn();
    }
  }
  // Waits for this many replies (a list counts as one); returns them, or what came before the connection was
  // closed.
  std::string read(size_t replies) {
    rig_.until([&] { return receive(), closed_ || complete() >= replies; });
    return std::exchange(text_, {});
  }
  std::string say(std::string_view octets, size_t replies = 1) {
    send(octets);
    return read(replies);
  }
  std::string code(std::string_view octets) { return say(octets).substr(0, 3); }
  int take_socket() { return std::exchange(fd_, -1); }  // somebody else goes on
  bool closes() {
    return rig_.until([&] { return receive(), closed_; });
  }
  // One message; the last reply.
  std::string send_message(std::string_view data, std::string_view rcpt = "b@here.test") {
    say("MAIL FROM:<a@a.test>\r\nRCPT TO:<" + std::string(rcpt) + ">\r\n", 2);
    if (code("DATA\r\n") != "354") return "no 354";
    return say(std::string(data) + ".\r\n");
  }

 private:
  void accept(bool counted) {
    int fd = -1;
    while ((fd = accept4(rig_.listening_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0) {
    }
    auto stream = adopt_stream(rig_.loop, fd);
    REQUIRE(stream.ok());
    IpAddress ip = (*stream)->peer().ip;
    ConnectionTicket ticket;
    if (counted) {
      admission = rig_.table->admit(ip);
      if (admission != Admission::ok) return;
      ticket = ConnectionTicket(*rig_.table, ip);
    }
    rig_.scope.spawn(serve(*rig_.context, std::move(*stream), rig_.listener, std::move(ticket)));
  }
  void receive() {
    char buffer[65536];
    ssize_t got;
    while ((got = recv(fd_, buffer, sizeof buffer, 0)) > 0) text_.append(buffer, static_cast<size_t>(got));
    closed_ = closed_ || got == 0 || (got < 0 && errno != EAGAIN);
  }
  size_t complete() const {
    size_t count = 0;
    for (size_t at = 0, end; (end = text_.find("\r\n", at)) != text_.npos; at = end + 2)
      count += end < at + 4 || text_[at + 3] == ' ';
    return count;
  }

  Rig& rig_;
  int fd_ = -1;
  bool closed_ = false;
  std::string text_;

 public:
  Admission admission = Admission::ok;
};

inline void Rig::open_listener() {
  listening_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_storage any{};
  unsigned size = Endpoint{*IpAddress::parse("127.0.0.1"), 0}.to(&any);
  REQUIRE(bind(listening_, reinterpret_cast<sockaddr*>(&any), size) == 0);
  REQUIRE(listen(listening_, 64) == 0);
}

}  // namespace veredus
