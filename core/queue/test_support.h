// For the queue's tests: a world of one loop with a fake clock, a spool in memory, connections played by
// coroutines.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>

#include "loop/scope.h"
#include "queue/mail_queue.h"

namespace veredus::queue_test {

using MessagePtr = std::shared_ptr<const Message>;

class FakeSpool final : public Spool {
 public:
  struct Entry {
    MessagePtr message;
    std::vector<RecipientStatus> recipients;
  };
  std::map<MessageId, Entry> messages;
  std::vector<StateChange> changes;
  int loads = 0, finds = 0;
  Millis load_time{0};
  bool keep_changes = true;
  std::optional<Error> load_error, amend_error;

  void put(const MessagePtr& message) {
    std::vector<RecipientStatus> states(message->envelope.recipients.size());
    messages[message->envelope.id] = Entry{message, std::move(states)};
  }
  Task<Status> store(Loop&, MessagePtr message) override {
    put(message);
    co_return Status();
  }
  void record(std::vector<StateChange> batch) override {
    for (StateChange& change : batch) {
      auto place = messages.find(change.id);
      REQUIRE(place != messages.end());
      REQUIRE(!is_final(place->second.recipients.at(change.recipient).state));
      place->second.recipients[change.recipient] = change.status;
      bool finished = true;
      for (const RecipientStatus& status : place->second.recipients)
        finished = finished && is_final(status.state);
      if (finished) messages.erase(place);
      if (keep_changes) changes.push_back(std::move(change));
    }
  }
  Task<Status> record_now(Loop&, std::vector<StateChange> batch) override {
    record(std::move(batch));
    co_return Status();
  }
  Task<Status> amend(Loop& loop, std::shared_ptr<const Envelope> envelope) override {
    co_await sleep_for(loop, Millis(0));
    if (amend_error) co_return *amend_error;
    auto changed = std::make_shared<Message>(*messages.at(envelope->id).message);
    changed->envelope = *envelope;
    messages.at(envelope->id).message = std::move(changed);
    co_return Status();
  }
  Task<Result<MessagePtr>> load(Loop& loop, MessageId id) override {
    ++loads;
    co_await sleep_for(loop, load_time);
    if (load_error) co_return *load_error;
    auto place = messages.find(id);
    if (place == messages.end()) co_return fail(Errc::not_found, "no such message");
    co_return place->second.message;
  }
  Task<Result<StoredMessage>> find(Loop&, MessageId id) override {
    ++finds;
    auto place = messages.find(id);
    if (place == messages.end()) co_return fail(Errc::not_found, "no such message");
    co_return stored(place->second);
  }
  Task<Status> scan(Loop&, std::function<bool(const StoredMessage&)> visit) override {
    for (const auto& [id, entry] : messages)
      if (!visit(stored(entry))) break;
    co_return Status();
  }
  Task<Result<std::unique_ptr<BodyWriter>>> create_body(Loop&) override {
    co_return fail(Errc::unsupported, "fake");
  }
  Task<Result<std::string>> read_body(Loop&, std::shared_ptr<LargeBody>, uint64_t, size_t) override {
    co_return fail(Errc::unsupported, "fake");
  }
  Status accepting() const override { return {}; }
  SpoolStatus status() const override { return {}; }

 private:
  static StoredMessage stored(const Entry& entry) {
    StoredMessage out;
    out.envelope = std::shared_ptr<const Envelope>(entry.message, &entry.message->envelope);
    out.size = entry.message->content.size();
    out.recipients = entry.recipients;
    return out;
  }
};

// "x.mx" goes to the destination mx:x.mx, everything else to the shared next hop, unless told otherwise.
class FakeRouter final : public Router {
 public:
  std::map<std::string, Reply> refused;             // by domain
  std::map<std::string, std::string> static_names;  // domain -> destination name
  std::map<std::string, Routed> ruled;  // by domain
  std::string shared = "smtp://127.0.0.1:2526";
  int routed = 0;
  Event* gate = nullptr;  // answers wait for it

  Task<Routed> route(std::shared_ptr<const Envelope> envelope, uint32_t recipient) override {
    ++routed;
    if (gate) co_await gate->wait(Deadline::never());
    std::string domain(envelope->recipients[recipient].address.domain());
    Routed out;
    if (auto place = ruled.find(domain); place != ruled.end()) co_return place->second;
    if (auto place = refused.find(domain); place != refused.end()) {
      out.failure = place->second;
      co_return out;
    }
    Destination to;
    to.name = shared;
    if (const std::string& own = envelope->recipients[recipient].next_hop; !own.empty()) {
      to.name = own;
    } else if (domain.ends_with(".mx")) {
      to.name = "mx:" + domain;
      to.domain = domain;
    } else if (auto place = static_names.find(domain); place != static_names.end()) {
      to.name = place->second;
    }
    auto& known = known_[to.name];
    if (!known) known = std::make_shared<const Destination>(std::move(to));
    out.destination = known;
    co_return out;
  }

 private:
  std::map<std::string, std::shared_ptr<const Destination>> known_;
};

class FakeReporter final : public Reporter {
 public:
  struct Made {
    MessageId id;
    ReportKind kind;
    std::vector<ReportedRecipient> recipients;
  };
  std::vector<Made> made;
  int failing = 0;        // so many reports cannot be stored
  Event* gate = nullptr;  // reports wait for it

  Task<Status> report(MessagePtr message, ReportKind kind,
                      std::vector<ReportedRecipient> recipients) override {
    if (gate) co_await gate->wait(Deadline::never());
    if (failing > 0) {
      --failing;
      co_return fail(Errc::no_space, "disk full");
    }
    made.push_back({message->envelope.id, kind, std::move(recipients)});
    co_return Status();
  }
};

struct Delivery {
  MonoTime when;
  std::string destination;
  MessageId id;
  std::string tenant;
  std::vector<uint32_t> recipients;
  uint16_t attempts_before;
  LeaseId lease;
};

// Plays connections. `refuse` decides about connecting, `outcome` about each recipient, `latency` how long an
// attempt takes.
class FakeCourier final : public Courier {
 public:
  FakeCourier(Loop& loop, QueuePort& port) : loop_(loop), port_(port), scope_(loop) {}
  std::function<Reply(const Destination&)> refuse;
  std::function<RecipientOutcome(const Attempt&, uint32_t)> outcome;
  std::function<LeaseTags(const Destination&)> tags;
  Millis latency{0};
  Millis connect_time{0};
  Millis idle{500};
  std::vector<Delivery> deliveries;
  std::map<std::string, int> opened, refused;
  std::vector<MonoTime> tried;
  int open_now = 0, most_open = 0;

  void open(Lease lease) override { scope_.spawn(connection(std::move(lease))); }
  void cancel() { scope_.cancel(); }

 private:
  Task<void> connection(Lease lease) {
    tried.push_back(loop_.now());
    if (connect_time > Millis(0)) co_await sleep_for(loop_, connect_time);
    Reply refusal;
    if (refuse) refusal = refuse(*lease.destination);
    if (refusal.code != 0) {
      ++refused[lease.destination->name];
      port_.end(lease.id, LeaseEnd::error, refusal, std::nullopt);
      co_return;
    }
    LeaseTags end;
    if (tags) end = tags(*lease.destination);
    bool admitted = co_await port_.admit(loop_, lease.id, end);
    if (!admitted) {
      port_.end(lease.id, LeaseEnd::idle, {}, std::nullopt);
      co_return;
    }
    ++opened[lease.destination->name];
    most_open = std::max(most_open, ++open_now);
    std::optional<AttemptResult> result;
    for (;;) {
      std::optional<Attempt> attempt =
          co_await port_.next(loop_, lease.id, std::move(result), Deadline::in(loop_, idle));
      if (!attempt) break;
      note(lease, *attempt);
      if (latency > Millis(0)) co_await sleep_for(loop_, latency);
      result = answer(*attempt);
    }
    --open_now;
    port_.end(lease.id, LeaseEnd::idle, {}, std::nullopt);
  }

  void note(const Lease& lease, const Attempt& attempt) {
    const Envelope& envelope = attempt.message->envelope;
    deliveries.push_back({loop_.now(), lease.destination->name, envelope.id, envelope.tenant,
                          attempt.recipients, attempt.attempts_before, lease.id});
  }

  AttemptResult answer(const Attempt& attempt) {
    AttemptResult result;
    result.item = attempt.item;
    for (uint32_t recipient : attempt.recipients) {
      RecipientOutcome each;
      each.recipient = recipient;
      each.outcome = Outcome::delivered;
      each.reply = Reply{250, {2, 0, 0}, {"ok"}};
      each.remote = "sink [127.0.0.1]:2526";
      if (outcome) each = outcome(attempt, recipient);
      each.recipient = recipient;
      result.outcomes.push_back(std::move(each));
    }
    return result;
  }

  Loop& loop_;
  QueuePort& port_;
  Scope scope_;
};

struct Lines final : LogSink {
  std::string text;
  void write(std::string_view lines) override { text.append(lines); }
  size_t count(std::string_view what) const {
    size_t found = 0;
    for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
    return found;
  }
};

inline Settings test_settings() {
  Settings settings;
  settings.queue.retry = {Millis(60'000), Millis(120'000), Millis(600'000)};
  settings.queue.expire = Millis(5 * 86'400'000);
  settings.queue.expire_bounce = Millis(86'400'000);
  settings.queue.memory = 64u << 20;
  settings.outbound.connections = 100;
  settings.outbound.connections_per_destination = 20;
  settings.outbound.messages_per_connection = 1000;
  return settings;
}

struct World {
  FakeClock clock;
  Loop loop{clock};
  Lines lines;
  Log log{clock, lines, Severity::info};
  FakeSpool spool;
  FakeRouter router;
  FakeReporter reporter;
  IdGenerator ids{clock, 0};
  std::unique_ptr<MailQueue> queue;
  std::unique_ptr<FakeCourier> courier;
  std::unique_ptr<Scope> scope;

  explicit World(Settings settings = test_settings(), bool started = true) {
    begin(std::move(settings));
    if (started) queue->start();
  }
  ~World() { finish(); }

  void begin(Settings settings) {
    queue = std::make_unique<MailQueue>(loop, spool, log,
                                        std::make_shared<const Settings>(std::move(settings)), 7);
    courier = std::make_unique<FakeCourier>(loop, *queue);
    scope = std::make_unique<Scope>(loop);
    queue->connect(router, *courier, reporter);
  }
  void finish() {
    if (!queue) return;
    courier->cancel();
    scope->cancel();
    turns(4);
    queue.reset();
    courier.reset();
    log.flush();
  }

  void turns(int count = 16) {
    for (int i = 0; i < count; ++i) {
      loop.run_turn(Millis(0));
      log.flush();
      QueueCounters c = queue->counters();
      REQUIRE(c.accepted == c.delivered + c.bounced + c.expired + c.discarded + c.removed + c.queued);
    }
  }
  // Lets time pass in steps, with turns between.
  void pass(Millis span, Millis step = Millis(1000)) {
    for (Millis gone{0}; gone < span; gone += step) {
      clock.advance(std::min(step, span - gone));
      turns(14);
    }
  }

  std::shared_ptr<Message> message(std::vector<std::string> recipients, const std::string& tenant = "") {
    auto out = std::make_shared<Message>();
    out->envelope.id = ids.next();
    out->envelope.arrived = clock.wall();
    out->envelope.sender = Address::make("sender", "from.test");
    out->envelope.tenant = tenant;
    for (const std::string& text : recipients) {
      Recipient recipient;
      size_t at = text.find('@');
      recipient.address = Address::make(text.substr(0, at), text.substr(at + 1));
      out->envelope.recipients.push_back(recipient);
    }
    out->content.head = "Received: here\r\n";
    out->content.memory = std::make_shared<const std::string>("Subject: test\r\n\r\nbody\r\n");
    return out;
  }
  MessageId add(std::shared_ptr<Message> message) {
    spool.put(message);
    MessageId id = message->envelope.id;
    queue->add(std::move(message));
    return id;
  }
  MessageId add(const std::string& recipient, const std::string& tenant = "") {
    return add(message({recipient}, tenant));
  }

  template <typename T>
  T run(Task<T> task) {
    std::optional<T> out;
    scope->spawn(keep(std::move(task), out));
    for (int i = 0; i < 100'000 && !out; ++i) loop.run_turn(Millis(0));
    REQUIRE(out.has_value());
    return std::move(*out);
  }
  std::vector<StoredMessage> list(QueueFilter filter = {}, size_t at_most = 100) {
    return run(queue->list(std::move(filter), at_most));
  }
  uint64_t act(QueueFilter filter, QueueAction action) {
    Result<uint64_t> done = run(queue->act(std::move(filter), action, "admin"));
    turns();
    return *done;
  }
  DestinationInfo destination(const std::string& name) {
    for (DestinationInfo& info : queue->destinations())
      if (info.name == name) return info;
    return {};
  }
  Settings changed(void (*change)(Settings&)) {
    Settings settings = test_settings();
    change(settings);
    return settings;
  }

 private:
  template <typename T>
  static Task<void> keep(Task<T> task, std::optional<T>& out) {
    out.emplace(co_await task);
  }
};

inline RecipientOutcome outcome_of(Outcome what, uint16_t code, const std::string& text) {
  RecipientOutcome out;
  out.outcome = what;
  out.reply = Reply{code, {static_cast<uint8_t>(code / 100), 0, 0}, {text}};
  out.remote = "sink [127.0.0.1]:2526";
  return out;
}

}  // namespace veredus::queue_test
