// For tests: a control server on a real Unix socket with a queue that holds what the test gives it, and clients that are read as the loop
// turns. One thread.
#pragma once

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "control/protocol.h"
#include "control/server.h"
#include "net/fake_resolver.h"
#include "spool/memory_spool.h"

namespace veredus {

// Lists by id, sender and recipient; remembers what it was told to do.
class ListedQueue final : public Queue {
 public:
  void add(std::shared_ptr<const Message>) override {}
  Task<Status> recover() override { co_return Status(); }
  void start() override {}
  void reconfigure(SettingsPtr) override {}
  Task<void> drain(Deadline) override { co_return; }
  Task<std::vector<StoredMessage>> list(QueueFilter filter, size_t at_most) override {
    filters.push_back(filter);
    most_asked = std::max(most_asked, at_most);
    std::vector<StoredMessage> out;
    for (uint64_t id = filter.after.value + 1; id <= endless && out.size() < at_most; ++id) out.push_back(made(id));
    for (const StoredMessage& message : messages)
      if (out.size() < at_most && matches(filter, *message.envelope)) out.push_back(message);
    co_return out;
  }
  Task<Result<uint64_t>> act(QueueFilter filter, QueueAction action, std::string by) override {
    filters.push_back(filter);
    actions.push_back(action);
    asked_by = by;
    if (act_error) co_return *act_error;
    uint64_t touched = 0;
    for (const StoredMessage& message : messages) touched += matches(filter, *message.envelope);
    co_return touched;
  }
  std::vector<DestinationInfo> destinations() const override { return known_destinations; }
  uint64_t suspend(const std::string& pattern, std::string by) override {
    suspended.push_back(pattern + " by " + by);
    return 2;
  }
  uint64_t resume(const std::string& pattern) override { return pattern == "known.test" ? 1 : 0; }
  QueueCounters counters() const override { return count; }
  QueuePort& port() override { std::abort(); }

  static StoredMessage made(uint64_t id) {
    auto envelope = std::make_shared<Envelope>();
    envelope->id = MessageId{id};
    envelope->arrived = WallTime(Millis(1'750'000'000'000));
    envelope->sender = *Address::parse("from@a.test");
    Recipient recipient;
    recipient.address = *Address::parse("to@b.test");
    envelope->recipients.push_back(recipient);
    StoredMessage out;
    out.envelope = std::move(envelope);
    out.size = 1234;
    RecipientStatus status;
    status.attempts = 3;
    status.rule = "mx:b.test";
    status.reply = "450 4.2.0 later";
    status.next_attempt = WallTime(Millis(1'750'000'300'000));
    out.recipients.push_back(status);
    return out;
  }

  std::vector<StoredMessage> messages;
  uint64_t endless = 0;  // so many messages besides, made when asked for
  size_t most_asked = 0;
  std::vector<QueueFilter> filters;
  std::vector<QueueAction> actions;
  std::optional<Error> act_error;
  std::string asked_by;
  std::vector<std::string> suspended;
  std::vector<DestinationInfo> known_destinations;
  QueueCounters count;

 private:
  static bool matches(const QueueFilter& filter, const Envelope& envelope) {
    if (envelope.id <= filter.after) return false;
    if (!filter.sender.empty() && filter.sender != envelope.sender.text()) return false;
    return filter.ids.empty() || std::find(filter.ids.begin(), filter.ids.end(), envelope.id) != filter.ids.end();
  }
};

struct Said {
  std::string out, err;
  std::optional<int> exit;
  std::vector<nlohmann::json> objects() const {
    std::vector<nlohmann::json> all;
    for (std::string_view line : split(out, '\n'))
      if (!line.empty()) all.push_back(nlohmann::json::parse(line));
    return all;
  }
};

class ControlRig {
 public:
  ControlRig() : path_("/tmp/veredus-control-test-" + std::to_string(getpid())) {
    ControlContext context{loop, queue, spool, log, sinks, resolver, {"1.2.3", WallTime(Millis(1'750'000'000'000)), 17}, {}, {}, {}, {}, {}};
    context.reload = [this] { return reload(); };
    context.metrics = [this] { return metrics; };
    context.open_sessions = [] { return uint64_t{5}; };
    context.counters = [this] { return queue.counters(); };
    server = std::make_unique<ControlServer>(std::move(context), *bind_unix(path_, 0600));
    sinks.add(&lines);
    signal(SIGPIPE, SIG_IGN);  // as the worker does
  }
  ~ControlRig() {
    server.reset();
    for (int i = 0; i < 3; ++i) turn();
    unlink(path_.c_str());
  }
  Task<ReloadReport> reload() { co_return report; }

  void turn() {
    loop.run_turn(Millis(1));
    log.flush();
  }
  int connect() {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    return fd;
  }
  void send_all(int fd, std::string_view octets) {
    while (!octets.empty()) {
      ssize_t taken = send(fd, octets.data(), octets.size(), MSG_NOSIGNAL);
      if (taken > 0) octets.remove_prefix(static_cast<size_t>(taken));
      else if (errno != EAGAIN) return;
      turn();
    }
  }
  // What is there to read now; true at the end of the stream.
  bool receive(int fd, std::string& into) {
    char piece[65536];
    for (;;) {
      ssize_t count = recv(fd, piece, sizeof piece, 0);
      if (count < 0) return errno != EAGAIN;
      if (count == 0) return true;
      into.append(piece, static_cast<size_t>(count));
    }
  }
  static Said read_frames(std::string_view text) {
    Said said;
    for (std::string_view line : split(text, '\n')) {
      if (line.empty()) continue;
      auto frame = decode_frame(line);
      REQUIRE(frame.ok());
      said.out += frame->out;
      said.err += frame->err;
      if (frame->exit) said.exit = frame->exit;
    }
    return said;
  }
  Said finish(int fd) {
    std::string text;
    MonoTime until = clock.mono() + Seconds(60);
    while (!receive(fd, text) && clock.mono() < until) turn();
    close(fd);
    return read_frames(text);
  }
  Said raw(std::string_view octets) {
    int fd = connect();
    send_all(fd, octets);
    return finish(fd);
  }
  Said run(std::vector<std::string> words, bool json = false) { return raw(encode_request({std::move(words), json})); }

  RealClock clock;
  Loop loop{clock};
  FanOutSink sinks;
  ListSink lines;
  Log log{clock, sinks};
  MemorySpool spool{loop};
  ListedQueue queue;
  FakeResolver resolver{loop};
  std::string metrics = "# HELP a_total Help.\n# TYPE a_total counter\na_total{state=\"x y\\\"z\",loop=\"0\"} 3\nb 1.500\n";
  ReloadReport report{true, ""};
  std::unique_ptr<ControlServer> server;

 private:
  std::string path_;
};

}  // namespace veredus
