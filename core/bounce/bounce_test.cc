// Reports as the queue asks for them: who gets one, what it says, what hooks may do with it, and that nothing is lost when it cannot be
// stored.
#include "bounce/bounce.h"

#include <doctest/doctest.h>

#include <functional>
#include <optional>

#include "loop/scope.h"
#include "spool/memory_spool.h"

using namespace veredus;

namespace {

struct Lines final : LogSink {
  void write(std::string_view lines) override { text += lines; }
  bool has(std::string_view part) const { return text.find(part) != std::string::npos; }
  std::string text;
};

class FakeQueue final : public Queue {
 public:
  void add(std::shared_ptr<const Message> message) override { added.push_back(std::move(message)); }
  Task<Status> recover() override { co_return Status(); }
  void start() override {}
  void reconfigure(SettingsPtr) override {}
  Task<void> drain(Deadline) override { co_return; }
  Task<std::vector<StoredMessage>> list(QueueFilter, size_t) override { co_return std::vector<StoredMessage>(); }
  Task<Result<uint64_t>> act(QueueFilter, QueueAction, std::string) override { co_return uint64_t{0}; }
  std::vector<DestinationInfo> destinations() const override { return {}; }
  uint64_t suspend(const std::string&, std::string) override { return 0; }
  uint64_t resume(const std::string&) override { return 0; }
  QueueCounters counters() const override { return {}; }
  QueuePort& port() override { std::abort(); }

  std::vector<std::shared_ptr<const Message>> added;
};

class ScriptedHook final : public Hook {
 public:
  using Answer = std::function<Verdict(HookCall&)>;
  ScriptedHook(Stage stage, Answer answer) : Hook(info_for(stage)), answer_(std::move(answer)) {}
  Verdict call(HookCall& call) override { return answer_(call); }

 private:
  static HookInfo info_for(Stage stage) {
    HookInfo info;
    info.plugin = "test";
    info.stage = stage;
    info.may = UINT32_MAX;
    return info;
  }
  Answer answer_;
};

struct World {
  FakeClock clock;
  Loop loop{clock};
  Lines lines;
  Log log{clock, lines, Severity::debug};
  MemorySpool spool{loop};
  FakeQueue queue;
  Runner runner{loop, log, std::make_shared<const HookSet>()};
  IdGenerator ids{clock, 0};
  Scope scope{loop};
  std::unique_ptr<BounceReporter> reporter;
  std::shared_ptr<Message> original = std::make_shared<Message>();

  World() {
    Settings settings = default_settings();
    settings.hostname = "mx.example.test";
    reporter = std::make_unique<BounceReporter>(loop, spool, queue, runner, log, ids,
                                                std::make_shared<const Settings>(std::move(settings)));
    Envelope& envelope = original->envelope;
    envelope.id = ids.next();
    envelope.arrived = clock.wall();
    envelope.sender = Address::make("sender", "from.test");
    envelope.tenant = "tenant1";
    envelope.stream = "news";
    original->content.head = "Received: here\r\n";
    content("Subject: the original\r\nMessage-ID: <one@from.test>\r\n\r\nthe body\r\n");
    to("one@to.test");
  }
  ~World() {
    scope.cancel();
    loop.run_turn(Millis(0));
  }

  void content(std::string octets) { original->content.memory = std::make_shared<const std::string>(std::move(octets)); }
  Recipient& to(const std::string& address, uint8_t notify = kNotifyDefault) {
    Recipient recipient;
    recipient.address = *Address::parse(address);
    recipient.notify = notify;
    original->envelope.recipients.push_back(std::move(recipient));
    return original->envelope.recipients.back();
  }
  void only(const std::string& address, uint8_t notify) {
    original->envelope.recipients.clear();
    to(address, notify);
  }
  void hook(Stage stage, ScriptedHook::Answer answer) {
    hooks_.push_back(std::make_shared<ScriptedHook>(stage, std::move(answer)));
    runner.use(std::make_shared<const HookSet>(hooks_));
  }
  void hook(Stage stage, Action action) {
    hook(stage, [action](HookCall&) {
      Verdict verdict;
      verdict.action = action;
      verdict.rule = "rule 7";
      return verdict;
    });
  }

  Status report(ReportKind kind, Reply reply = Reply{550, {5, 1, 1}, {"no such user"}}) {
    std::vector<ReportedRecipient> told;
    for (uint32_t i = 0; i < original->envelope.recipients.size(); ++i) {
      ReportedRecipient one;
      one.recipient = i;
      one.reply = reply;
      one.remote = "mx1.to.test [192.0.2.1]:25";
      told.push_back(std::move(one));
    }
    std::optional<Status> out;
    scope.spawn(keep(reporter->report(original, kind, std::move(told)), out));
    for (int i = 0; i < 1000 && !out; ++i) loop.run_turn(Millis(0));
    log.flush();
    REQUIRE(out.has_value());
    return std::move(*out);
  }
  size_t sent() const { return queue.added.size(); }
  const Envelope& envelope(size_t i = 0) const { return queue.added.at(i)->envelope; }
  std::string octets(size_t i = 0) const {
    const Content& content = queue.added.at(i)->content;
    return content.head + content.memory->substr(content.skip);
  }
  ParsedDsn parsed(size_t i = 0) const {
    auto out = parse_dsn(octets(i));
    REQUIRE(out.ok());
    return std::move(*out);
  }
  std::string field(std::string_view name, size_t recipient = 0) const {
    return std::string(dsn_field(parsed().recipients.at(recipient), name));
  }

 private:
  static Task<void> keep(Task<Status> task, std::optional<Status>& out) { out.emplace(co_await task); }
  std::vector<std::shared_ptr<Hook>> hooks_;
};

}  // namespace

TEST_CASE("a failure is told to the sender, durably and queued") {
  World world;
  CHECK(world.report(ReportKind::failure).ok());
  REQUIRE(world.sent() == 1);
  CHECK(world.envelope().sender.empty());
  CHECK(world.envelope().recipients.at(0).address.text() == "sender@from.test");
  CHECK(world.envelope().origin.protocol == Protocol::internal);
  CHECK(world.envelope().tenant == "tenant1");
  CHECK(world.envelope().stream == "news");
  CHECK(world.spool.message_count() == 1);
  CHECK(world.field("action") == "failed");
  CHECK(world.field("status") == "5.1.1");
  CHECK(world.field("final-recipient") == "rfc822; one@to.test");
  CHECK(world.field("remote-mta") == "dns; mx1.to.test");
  CHECK(world.parsed().returned.find("the body") != std::string::npos);
  CHECK(world.octets().starts_with("Received: by mx.example.test with internal id " + world.envelope().id.text()));
  CHECK(world.lines.has("bounce.queued"));
}

TEST_CASE("recipients of one result share a report") {
  World world;
  world.to("two@to.test");
  world.to("never@to.test", kNotifyNever);
  CHECK(world.report(ReportKind::failure).ok());
  REQUIRE(world.sent() == 1);
  CHECK(world.parsed().recipients.size() == 2);
  CHECK(world.field("final-recipient", 1) == "rfc822; two@to.test");
  CHECK(world.lines.has("\"recipient\":\"never@to.test\""));
}

TEST_CASE("a report on a report is never made") {
  World world;
  world.original->envelope.sender = Address();
  for (ReportKind kind : {ReportKind::failure, ReportKind::expired, ReportKind::delay, ReportKind::success})
    CHECK(world.report(kind).ok());
  CHECK(world.sent() == 0);
  CHECK(world.spool.message_count() == 0);
  CHECK(world.lines.has("bounce.suppressed"));
  CHECK(world.lines.has("null sender"));
}

TEST_CASE("NOTIFY decides") {
  struct Case {
    uint8_t notify;
    ReportKind kind;
    bool told;
  };
  const Case cases[] = {
      {kNotifyDefault, ReportKind::failure, true},  {kNotifyDefault, ReportKind::expired, true},
      {kNotifyDefault, ReportKind::delay, true},    {kNotifyDefault, ReportKind::success, false},
      {kNotifyDefault, ReportKind::relayed, false}, {kNotifyNever, ReportKind::failure, false},
      {kNotifyNever, ReportKind::delay, false},     {kNotifySuccess, ReportKind::failure, false},
      {kNotifySuccess, ReportKind::success, true},  {kNotifySuccess, ReportKind::relayed, true},
      {kNotifySuccess, ReportKind::delay, false},   {kNotifyFailure, ReportKind::failure, true},
      {kNotifyFailure, ReportKind::expired, true},  {kNotifyFailure, ReportKind::delay, false},
      {kNotifyFailure, ReportKind::success, false}, {kNotifyDelay, ReportKind::delay, true},
      {kNotifyDelay, ReportKind::failure, false},   {kNotifySuccess | kNotifyFailure, ReportKind::failure, true},
  };
  for (const Case& one : cases) {
    CAPTURE(static_cast<int>(one.notify));
    CAPTURE(static_cast<int>(one.kind));
    World world;
    world.only("one@to.test", one.notify);
    CHECK(world.report(one.kind).ok());
    CHECK(world.sent() == (one.told ? 1 : 0));
  }
}

TEST_CASE("success and relaying are told apart, without the body") {
  World world;
  world.only("one@to.test", kNotifySuccess);
  CHECK(world.report(ReportKind::success, Reply{250, {2, 1, 5}, {"stored"}}).ok());
  CHECK(world.field("action") == "delivered");
  CHECK(world.field("status") == "2.1.5");
  CHECK(world.parsed().returned.find("Subject: the original") != std::string::npos);
  CHECK(world.parsed().returned.find("the body") == std::string::npos);
  World relayed;
  relayed.only("one@to.test", kNotifySuccess);
  CHECK(relayed.report(ReportKind::relayed, Reply{250, {}, {"ok"}}).ok());
  CHECK(relayed.field("action") == "relayed");
  CHECK(relayed.field("status") == "2.0.0");
}

TEST_CASE("a delay and an expiry carry the last reply") {
  World delayed;
  CHECK(delayed.report(ReportKind::delay, Reply{451, {4, 4, 1}, {"no connection"}}).ok());
  CHECK(delayed.field("action") == "delayed");
  CHECK(delayed.field("status") == "4.4.1");
  World expired;
  CHECK(expired.report(ReportKind::expired, Reply{451, {4, 4, 1}, {"no connection"}}).ok());
  CHECK(expired.field("action") == "failed");
  CHECK(expired.field("status") == "4.4.7");
  CHECK(expired.field("diagnostic-code").find("no connection") != std::string::npos);
}

TEST_CASE("ENVID, ORCPT and RET are honoured") {
  World world;
  world.original->envelope.envid = "order-17";
  world.original->envelope.dsn_return = DsnReturn::headers;
  world.original->envelope.recipients[0].orcpt = "rfc822;first@to.test";
  CHECK(world.report(ReportKind::failure).ok());
  CHECK(dsn_field(world.parsed().message, "original-envelope-id") == "order-17");
  CHECK(world.field("original-recipient") == "rfc822; first@to.test");
  CHECK(world.parsed().returned.find("Subject: the original") != std::string::npos);
  CHECK(world.parsed().returned.find("the body") == std::string::npos);
}

TEST_CASE("the report of a message that demands TLS demands it too, and returns headers only") {
  World world;
  world.original->envelope.require_tls = true;
  world.original->envelope.dsn_return = DsnReturn::full;
  CHECK(world.report(ReportKind::failure).ok());
  CHECK(world.envelope().require_tls);
  CHECK(world.parsed().returned.find("Subject: the original") != std::string::npos);
  CHECK(world.parsed().returned.find("the body") == std::string::npos);
}

TEST_CASE("a rewritten recipient is named as the sender wrote it") {
  World world;
  world.original->envelope.recipients[0].original = Address::make("info", "to.test");
  CHECK(world.report(ReportKind::failure).ok());
  CHECK(world.field("original-recipient") == "rfc822; info@to.test");
}

TEST_CASE("a large body stays in the spool, and its header comes from there") {
  World world;
  std::optional<std::shared_ptr<LargeBody>> body;
  auto store = [](Spool& spool, Loop& loop, std::optional<std::shared_ptr<LargeBody>>& out) -> Task<void> {
    auto writer = co_await spool.create_body(loop);
    (void)co_await (*writer)->append("Subject: huge\r\nX-Long: " + std::string(90'000, 'a') + "\r\n\r\n");
    (void)co_await (*writer)->append(std::string(200'000, 'b'));
    auto finished = co_await (*writer)->finish();
    out = *finished;
  };
  world.scope.spawn(store(world.spool, world.loop, body));
  REQUIRE(body.has_value());
  world.original->content.memory.reset();
  world.original->content.file = *body;
  CHECK(world.report(ReportKind::failure).ok());
  CHECK(world.parsed().returned.find("Subject: huge") != std::string::npos);
  CHECK(world.octets().find("bbbbb") == std::string::npos);
  CHECK(world.octets().size() < 80'000);
}

TEST_CASE("a header without an end, a body without a header") {
  World world;
  world.content("no header at all");
  CHECK(world.report(ReportKind::failure).ok());
  CHECK(world.parsed().recipients.size() == 1);
  World empty;
  empty.content("");
  CHECK(empty.report(ReportKind::failure).ok());
  CHECK(empty.parsed().recipients.size() == 1);
}

TEST_CASE("a rewritten header block is returned instead of the received one") {
  World world;
  world.original->content.head = "Subject: changed\r\n\r\n";
  world.original->content.skip = world.original->content.memory->find("the body");
  CHECK(world.report(ReportKind::failure).ok());
  CHECK(world.parsed().returned.find("Subject: changed") != std::string::npos);
  CHECK(world.parsed().returned.find("the original") == std::string::npos);
  CHECK(world.parsed().returned.find("the body") != std::string::npos);
}

TEST_CASE("a report that cannot be stored is an error, and nothing is queued") {
  World world;
  world.spool.fail_stores(fail(Errc::no_space, "disk full"));
  Status status = world.report(ReportKind::failure);
  REQUIRE(!status.ok());
  CHECK(status.error().code == Errc::no_space);
  CHECK(world.sent() == 0);
  CHECK(!world.lines.has("bounce.queued"));
}

TEST_CASE("ok is said only when the report is durable") {
  World world;
  world.spool.pause_durability();
  std::optional<Status> out;
  auto keep = [](BounceReporter& reporter, std::shared_ptr<const Message> message, std::optional<Status>& to) -> Task<void> {
    std::vector<ReportedRecipient> told(1);
    to.emplace(co_await reporter.report(message, ReportKind::failure, std::move(told)));
  };
  world.scope.spawn(keep(*world.reporter, world.original, out));
  for (int i = 0; i < 20; ++i) world.loop.run_turn(Millis(0));
  CHECK(!out.has_value());
  CHECK(world.sent() == 0);
  world.spool.resume_durability();
  for (int i = 0; i < 20; ++i) world.loop.run_turn(Millis(0));
  REQUIRE(out.has_value());
  CHECK(out->ok());
  CHECK(world.sent() == 1);
}

TEST_CASE("a bounce hook suppresses, redirects, holds, or puts off") {
  World suppressed;
  suppressed.hook(Stage::bounce, Action::discard);
  CHECK(suppressed.report(ReportKind::failure).ok());
  CHECK(suppressed.sent() == 0);
  CHECK(suppressed.lines.has("test: rule 7"));

  World redirected;
  redirected.hook(Stage::bounce, [](HookCall& call) {
    CHECK(call.subject().state == "failure");
    SetRecipient edit;
    edit.index = 0;
    edit.recipient.address = Address::make("bounces", "ours.test");
    call.edits().push_back(std::move(edit));
    return Verdict();
  });
  CHECK(redirected.report(ReportKind::failure).ok());
  CHECK(redirected.envelope().recipients.at(0).address.text() == "bounces@ours.test");

  World held;
  held.hook(Stage::bounce, Action::hold);
  CHECK(held.report(ReportKind::failure).ok());
  CHECK(held.envelope().held);
  CHECK(held.envelope().hold_reason == "test: rule 7");

  World later;
  later.hook(Stage::bounce, Action::tempfail);
  Status status = later.report(ReportKind::failure);
  REQUIRE(!status.ok());
  CHECK(status.error().code == Errc::busy);
  CHECK(later.sent() == 0);

  World nobody;
  nobody.hook(Stage::bounce, [](HookCall& call) {
    call.edits().push_back(DropRecipient{0});
    return Verdict();
  });
  CHECK(nobody.report(ReportKind::failure).ok());
  CHECK(nobody.sent() == 0);
}

TEST_CASE("a report passes the stages of every message") {
  World world;
  std::vector<Stage> seen;
  for (Stage stage : {Stage::headers, Stage::body, Stage::message, Stage::seal, Stage::queued})
    world.hook(stage, [&seen, stage](HookCall& call) {
      seen.push_back(stage);
      CHECK(call.subject().envelope->sender.empty());
      if (stage == Stage::seal) call.edits().push_back(InsertHeader{0, "X-Seal", "yes"});
      if (stage == Stage::body) call.emit(call.subject().chunk);
      return Verdict();
    });
  CHECK(world.report(ReportKind::failure).ok());
  CHECK(seen == std::vector<Stage>{Stage::headers, Stage::body, Stage::message, Stage::seal, Stage::queued});
  CHECK(world.octets().starts_with("X-Seal: yes\r\n"));
}

TEST_CASE("body hooks see the body of a report and may rewrite it, below a header that others changed") {
  for (bool header_too : {false, true}) {
    World world;
    if (header_too)
      world.hook(Stage::headers, [](HookCall& call) { return call.edits().push_back(ReplaceHeader{"Subject", 1, "changed"}), Verdict(); });
    std::string seen;
    world.hook(Stage::body, [&](HookCall& call) {
      CHECK(call.subject().last);
      seen = call.subject().chunk;
      call.emit("short \xC3\xBC\r\n");
      return Verdict();
    });
    CHECK(world.report(ReportKind::failure).ok());
    CHECK(seen.find("MIME-Version") == std::string::npos);  // which is in the header
    CHECK(seen.find("Reporting-MTA") != std::string::npos);
    CHECK(world.octets().ends_with("\r\n\r\nshort \xC3\xBC\r\n"));
    CHECK((world.octets().find("Subject: changed\r\n") != std::string::npos) == header_too);
    CHECK(world.octets().find("Reporting-MTA") == std::string::npos);
    CHECK(world.envelope().content_8bit);
  }
}

TEST_CASE("results found out about a report are composed before its seal") {
  World world;
  world.hook(Stage::message, [](HookCall& call) {
    call.edits().push_back(AddAuthResult{"auth", "pass", "", {{"smtp.auth", "daemon"}}});
    call.edits().push_back(AddNote{"kind", "report"});
    return Verdict();
  });
  world.hook(Stage::seal, [](HookCall& call) { return call.edits().push_back(InsertHeader{0, "X-Seal", "yes"}), Verdict(); });
  CHECK(world.report(ReportKind::failure).ok());
  CHECK(world.octets().starts_with("X-Seal: yes\r\nAuthentication-Results: mx.example.test;\r\n\tauth=pass smtp.auth=daemon\r\n"));
  CHECK(world.envelope().notes == Notes{{"kind", "report"}});
}

TEST_CASE("a refusal at a later stage ends the report as discarded; the failure still becomes final") {
  for (Stage stage : {Stage::headers, Stage::body, Stage::message}) {
    World world;
    world.hook(stage, Action::reject);
    CHECK(world.report(ReportKind::failure).ok());
    CHECK(world.sent() == 0);
    CHECK(world.lines.has("message.discarded"));
    CHECK(world.lines.has("recipient.discarded"));
    CHECK(world.lines.has("test: rule 7"));
  }
  World later;
  later.hook(Stage::seal, Action::tempfail);
  CHECK(!later.report(ReportKind::failure).ok());
  CHECK(later.sent() == 0);
}

TEST_CASE("a sender in UTF-8 gets a report that asks for SMTPUTF8") {
  World world;
  world.original->envelope.sender = *Address::parse("j\xC3\xBCrgen@from.test");
  CHECK(world.report(ReportKind::failure).ok());
  CHECK(world.envelope().smtputf8);
  CHECK(world.envelope().header_8bit);
}
