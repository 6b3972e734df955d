// For the spool's tests: a loop, a storage that forgets, an observer that remembers, and calls that wait for their answer.
#pragma once

#include <condition_variable>
#include <optional>

#include "loop/scope.h"
#include "spool/log_spool.h"
#include "spool/power_cut_storage.h"

namespace veredus {

class Remembering final : public SpoolObserver {
 public:
  void spool_event(SpoolEvent event, std::string_view file, std::string_view detail) override {
    std::lock_guard lock(mutex_);
    ++counts_[event];
    text_ += std::string(event_name(event)) + " " + std::string(file) + " " + std::string(detail) + "\n";
    changed_.notify_all();
  }
  int count(SpoolEvent event) {
    std::lock_guard lock(mutex_);
    return counts_[event];
  }
  bool wait_for(SpoolEvent event, int times = 1) {  // false after half a minute
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, Seconds(30), [&] { return counts_[event] >= times; });
  }
  std::string text() {
    std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<SpoolEvent, int> counts_;
  std::string text_;
};

template <typename T>
Task<void> keep_answer(Task<T> task, std::optional<T>& out) {
  out.emplace(co_await task);
}

struct SpoolWorld {
  SpoolWorld() {
    options.segment_size = 64 << 10;
    options.reserve = 0;
    options.check_interval = Millis(5);
    options.sync_delay = Millis(1);
  }
  Status open() {
    auto opened = LogSpool::open(storage, clock, options, observer);
    if (!opened) return opened.error();
    spool = std::move(*opened);
    return {};
  }
  void close() { spool.reset(); }
  Status reopen() {
    close();
    return open();
  }

  template <typename T>
  T wait(Task<T> task) {
    std::optional<T> out;
    Scope scope(loop);
    scope.spawn(keep_answer(std::move(task), out));
    while (!out) loop.run_turn(Millis(1000));
    return std::move(*out);
  }

  std::shared_ptr<Message> make(size_t octets, size_t recipients = 1) {
    auto message = std::make_shared<Message>();
    message->envelope.id = MessageId{next_id++};
    message->envelope.sender = Address::make("sender", "example.test");
    message->envelope.recipients.resize(recipients);
    for (size_t i = 0; i < recipients; ++i) message->envelope.recipients[i].address = Address::make("r" + std::to_string(i), "sink.test");
    message->content.head = "Subject: " + message->envelope.id.text() + "\r\n\r\n";
    std::string body;
    while (body.size() < octets) body += message->envelope.id.text() + std::to_string(body.size()) + "\r\n";
    body.resize(octets);
    message->content.memory = std::make_shared<const std::string>(std::move(body));
    return message;
  }
  Status store(std::shared_ptr<const Message> message) { return wait(spool->store(loop, std::move(message))); }
  MessageId stored(size_t octets, size_t recipients = 1) {
    auto message = make(octets, recipients);
    MessageId id = message->envelope.id;
    Status status = store(std::move(message));
    return status ? id : MessageId{};
  }
  static std::vector<StateChange> change(MessageId id, uint32_t recipient, RecipientState state, std::string reply = {}) {
    StateChange out{id, recipient, {}};
    out.status.state = state;
    out.status.attempts = 1;
    out.status.reply = std::move(reply);
    return {out};
  }
  Status finish(MessageId id, uint32_t recipient = 0) {
    return wait(spool->record_now(loop, change(id, recipient, RecipientState::delivered, "250 ok")));
  }
  std::optional<std::string> text(MessageId id) {  // head and body; nothing when it cannot be loaded
    auto loaded = wait(spool->load(loop, id));
    if (!loaded) return std::nullopt;
    const Content& content = (*loaded.value()).content;
    if (content.memory) return content.head + content.memory->substr(content.skip);
    auto body = wait(spool->read_body(loop, content.file, content.skip, content.file->size()));
    return body ? std::optional(content.head + *body) : std::nullopt;
  }
  std::vector<StoredMessage> all() {
    std::vector<StoredMessage> out;
    auto visit = [&out](const StoredMessage& message) { return out.push_back(message), true; };
    (void)wait(spool->scan(loop, visit));
    return out;
  }

  RealClock clock;
  Loop loop{clock};
  PowerCutStorage storage;
  Remembering observer;
  LogSpoolOptions options;
  std::unique_ptr<LogSpool> spool;
  uint64_t next_id = uint64_t{1} << 40;
};

}  // namespace veredus
