// Hooks round a session: verdicts at every stage become the right replies; edits reach the stored message; stages are told once.
#include <functional>
#include <map>

#include "inbound/session.h"
#include "inbound/test_rig.h"

using namespace veredus;

namespace {

const std::string kMessage = "Subject: x\r\nX-Old: 1\r\n\r\nbody\r\n";

class ScriptedHooks {
 public:
  struct Answer {
    Verdict verdict;
    std::vector<Edit> edits;
    bool later = false;
  };
  std::map<Stage, Answer> answers;
  std::vector<Stage> called;
  std::map<Stage, std::string> ids;      // of the envelope last shown
  std::map<Stage, std::string> headers;  // as last shown
  std::vector<PendingToken> waiting;
  int cancelled = 0;

  size_t count(Stage stage) const { return static_cast<size_t>(std::count(called.begin(), called.end(), stage)); }
  std::shared_ptr<const HookSet> set();
};

class ScriptedHook final : public Hook {
 public:
  ScriptedHook(HookInfo info, ScriptedHooks& script) : Hook(std::move(info)), script_(script) {}
  Verdict call(HookCall& call) override {
    script_.called.push_back(call.stage());
    const Subject& subject = call.subject();
    script_.ids[call.stage()] = subject.envelope ? subject.envelope->id.text() : "";
    script_.headers[call.stage()] = subject.header;
    auto found = script_.answers.find(call.stage());
    if (found == script_.answers.end()) return {};
    call.edits() = found->second.edits;
    Verdict verdict = found->second.verdict;
    if (!found->second.later) return verdict;
    script_.waiting.push_back(call.defer(Seconds(60)));
    verdict.action = Action::pending;
    return verdict;
  }
  void cancel(PendingToken) override { ++script_.cancelled; }

 private:
  ScriptedHooks& script_;
};

std::shared_ptr<const HookSet> ScriptedHooks::set() {
  std::vector<std::shared_ptr<Hook>> hooks;
  for (const StageInfo& stage : stages()) {
    HookInfo info;
    info.plugin = "test";
    info.stage = stage.stage;
    info.may = stage.stage == Stage::body ? 0 : 127;
    hooks.push_back(std::make_shared<ScriptedHook>(std::move(info), *this));
  }
  return std::make_shared<const HookSet>(std::move(hooks));
}

struct HookedRig : Rig {
  ScriptedHooks calls;
  HookedRig() { runner.use(calls.set()); }
  explicit HookedRig(const std::function<void(Settings&)>& change) : Rig(change) { runner.use(calls.set()); }
  ~HookedRig() { scope.cancel(); }

  void answer(Stage stage, Action action, Reply reply = {}, VerdictScope scope = VerdictScope::step) {
    calls.answers[stage].verdict = Verdict{action, scope, std::move(reply), "rule"};
  }
  void edit(Stage stage, std::vector<Edit> edits) { calls.answers[stage].edits = std::move(edits); }
};

void hello(Rig::Client& client) {
  client.read(1);
  client.say("EHLO client.test\r\n");
}

Recipient recipient(const char* address) {
  Recipient out;
  out.address = *Address::parse(address);
  return out;
}

void two_recipients(Rig::Client& client) {
  client.say("MAIL FROM:<a@a.test>\r\nRCPT TO:<b@here.test>\r\nRCPT TO:<c@here.test>\r\n", 3);
  client.say("DATA\r\n");
}

}  // namespace

TEST_CASE("stages come in order, each once, with the message's id from MAIL on") {
  HookedRig rig;
  Rig::Client client(rig);
  hello(client);
  CHECK(client.send_message(kMessage).starts_with("250"));
  client.say("QUIT\r\n");
  CHECK(client.closes());
  client.hang_up();
  CHECK(rig.until([&] { return rig.scope.running() == 0; }));
  CHECK(rig.calls.called == std::vector<Stage>{Stage::connect, Stage::helo, Stage::mail, Stage::rcpt, Stage::data, Stage::headers,
                                               Stage::body, Stage::message, Stage::seal, Stage::queued, Stage::transaction_end, Stage::disconnect});
  CHECK(rig.stored(0).ends_with(kMessage));
  CHECK(rig.calls.ids[Stage::helo].empty());
  CHECK(rig.calls.ids[Stage::disconnect].empty());
  for (Stage stage : {Stage::mail, Stage::rcpt, Stage::data, Stage::headers, Stage::body, Stage::message, Stage::seal, Stage::queued,
                      Stage::transaction_end})
    CHECK(rig.calls.ids[stage] == rig.queue.added.at(0)->envelope.id.text());
  CHECK(rig.calls.headers[Stage::headers] == "Subject: x\r\nX-Old: 1\r\n\r\n");
  CHECK(rig.calls.headers[Stage::message] == "Subject: x\r\nX-Old: 1\r\n\r\n");
}

TEST_CASE("the end of a transaction is told once however it ends, and shows which one it was") {
  for (const char* ending : {"RSET\r\n", "EHLO again.test\r\n", "QUIT\r\n", ""}) {
    HookedRig rig;
    Rig::Client client(rig);
    hello(client);
    client.say("MAIL FROM:<a@a.test>\r\nRCPT TO:<b@here.test>\r\n", 2);
    if (*ending) client.say(ending);
    client.hang_up();
    CHECK(rig.until([&] { return rig.scope.running() == 0; }));
    CHECK(rig.calls.count(Stage::transaction_end) == 1);
    CHECK(rig.calls.count(Stage::disconnect) == 1);
    CHECK(!rig.calls.ids[Stage::transaction_end].empty());
    CHECK(rig.calls.ids[Stage::transaction_end] == rig.calls.ids[Stage::mail]);
  }
  HookedRig refused;
  refused.answer(Stage::mail, Action::reject);
  Rig::Client client(refused);
  hello(client);
  client.say("MAIL FROM:<a@a.test>\r\n");
  CHECK(refused.calls.count(Stage::transaction_end) == 1);
  CHECK(refused.calls.ids[Stage::transaction_end] == refused.calls.ids[Stage::mail]);
}

TEST_CASE("a refusal at each stage") {
  struct Case {
    Stage stage;
    Action action;
    std::string expected;
  };
  for (const Case& one :
       {Case{Stage::helo, Action::reject, "550"}, Case{Stage::mail, Action::reject, "550"}, Case{Stage::mail, Action::tempfail, "451"},
        Case{Stage::rcpt, Action::tempfail, "451"}, Case{Stage::data, Action::reject, "550"}, Case{Stage::headers, Action::reject, "550"},
        Case{Stage::message, Action::tempfail, "451"}, Case{Stage::seal, Action::fault, "451"}, Case{Stage::rcpt, Action::disconnect, "421"}}) {
    HookedRig rig;
    rig.answer(one.stage, one.action);
    Rig::Client client(rig);
    client.read(1);
    std::string all = client.say("EHLO c.test\r\n");
    if (one.stage != Stage::helo) {
      all += client.say("MAIL FROM:<a@a.test>\r\n");
      if (one.stage != Stage::mail) all += client.say("RCPT TO:<b@here.test>\r\n");
      if (one.stage >= Stage::data) all += client.say("DATA\r\n");
      if (one.stage > Stage::data) all += client.say(kMessage + ".\r\n");
    }
    CHECK_MESSAGE(("\r\n" + all).find("\r\n" + one.expected) != std::string::npos, all);
    CHECK(rig.queue.added.empty());
    CHECK(rig.spool.message_count() == 0);
    if (one.action == Action::disconnect) CHECK(client.closes());
  }
}

TEST_CASE("disconnect closes with the reply it was given, also after the data") {
  HookedRig rig;
  for (Stage stage : {Stage::mail, Stage::message, Stage::headers}) {
    rig.calls.answers.clear();
    rig.answer(stage, Action::disconnect, Reply{554, {5, 7, 1}, {"enough"}});
    Rig::Client client(rig);
    hello(client);
    client.send("MAIL FROM:<a@a.test>\r\n");
    if (stage != Stage::mail) {
      client.say("RCPT TO:<b@here.test>\r\n", 2);
      client.say("DATA\r\n");
      client.send(kMessage + ".\r\n");
    }
    CHECK(client.read(1) == "554 5.7.1 enough\r\n");
    CHECK(client.closes());
  }
}

TEST_CASE("refusal at connect; a reply of the wrong class is a fault") {
  HookedRig rig;
  rig.answer(Stage::connect, Action::reject, Reply{554, {5, 7, 1}, {"go away"}});
  Rig::Client client(rig);
  CHECK(client.read(1) == "554 5.7.1 go away\r\n");
  CHECK(client.closes());
  client.hang_up();
  CHECK(rig.until([&] { return rig.scope.running() == 0; }));
  CHECK(rig.calls.called == std::vector<Stage>{Stage::connect, Stage::disconnect});
  HookedRig wrong;
  wrong.answer(Stage::mail, Action::reject, Reply{250, {2, 0, 0}, {"fine"}});
  Rig::Client other(wrong);
  hello(other);
  CHECK(other.say("MAIL FROM:<a@a.test>\r\n") == "451 4.7.1 Try again later\r\n");
  CHECK(wrong.until([&] { return wrong.sink.count("hook.fault") == 1; }));
}

TEST_CASE("a refusal for the whole transaction, and for the connection") {
  HookedRig rig;
  rig.answer(Stage::rcpt, Action::reject, Reply{550, {5, 7, 1}, {"none of this"}}, VerdictScope::transaction);
  Rig::Client client(rig);
  hello(client);
  client.say("MAIL FROM:<a@a.test>\r\n");
  CHECK(client.code("RCPT TO:<b@here.test>\r\n") == "550");
  rig.calls.answers.clear();
  CHECK(client.say("RCPT TO:<c@here.test>\r\n") == "550 5.7.1 none of this\r\n");
  client.say("RSET\r\n");
  CHECK(client.send_message(kMessage).starts_with("250"));
  rig.answer(Stage::mail, Action::tempfail, Reply{450, {4, 7, 1}, {"not today"}}, VerdictScope::connection);
  client.say("MAIL FROM:<a@a.test>\r\n");
  rig.calls.answers.clear();
  CHECK(client.say("MAIL FROM:<a@a.test>\r\n") == "450 4.7.1 not today\r\n");
}

TEST_CASE("ok for the transaction spares later hooks up to message, never the seal; the next transaction is asked again") {
  HookedRig rig;
  rig.answer(Stage::mail, Action::ok, {}, VerdictScope::transaction);
  Rig::Client client(rig);
  hello(client);
  CHECK(client.send_message(kMessage).starts_with("250"));
  CHECK(rig.calls.count(Stage::rcpt) == 0);
  CHECK(rig.calls.count(Stage::message) == 0);
  CHECK(rig.calls.count(Stage::seal) == 1);
  rig.calls.answers.clear();
  CHECK(client.send_message(kMessage).starts_with("250"));
  CHECK(rig.calls.count(Stage::rcpt) == 1);
}

TEST_CASE("discard is 250 with a logged final state; hold is stored") {
  HookedRig rig;
  rig.answer(Stage::message, Action::discard);
  Rig::Client client(rig);
  hello(client);
  CHECK(client.send_message(kMessage).starts_with("250 2.0.0 Ok: queued as"));
  CHECK(rig.queue.added.empty());
  CHECK(rig.context->counters.messages_discarded == 1);
  CHECK(rig.context->counters.recipients_discarded == 1);
  CHECK(rig.context->counters.recipients_accepted == 0);
  CHECK(rig.until([&] { return rig.sink.count("recipient.discarded") == 1; }));
  rig.calls.answers.clear();
  rig.answer(Stage::rcpt, Action::discard);
  CHECK(client.send_message(kMessage).starts_with("250"));
  CHECK(rig.queue.added.empty());
  CHECK(rig.context->counters.recipients_discarded == 2);
  client.say("MAIL FROM:<a@a.test>\r\nRCPT TO:<b@here.test>\r\nRSET\r\n", 3);
  CHECK(rig.context->counters.recipients_discarded == 2);  // never accepted, so not discarded either
  rig.calls.answers.clear();
  rig.answer(Stage::headers, Action::hold);
  CHECK(client.send_message(kMessage).starts_with("250"));
  CHECK(rig.queue.added.at(0)->envelope.held);
  CHECK(rig.queue.added.at(0)->envelope.hold_reason == "test: rule");
}

TEST_CASE("a hook's ok does not open a relay") {
  HookedRig rig;
  rig.answer(Stage::connect, Action::ok, {}, VerdictScope::connection);
  rig.answer(Stage::rcpt, Action::ok, {}, VerdictScope::connection);
  Rig::Client client(rig, "127.0.0.2");
  hello(client);
  client.say("MAIL FROM:<a@a.test>\r\n");
  CHECK(client.say("RCPT TO:<x@elsewhere.test>\r\n").starts_with("550 5.7.1"));
}

TEST_CASE("edits: headers, recipients, fields, and the seal on top") {
  for (uint64_t inline_size : {100'000, 10}) {
    HookedRig rig([&](Settings& s) { s.spool.inline_size = inline_size; });
    rig.edit(Stage::message, {ReplaceHeader{"Subject", 1, "new"}, RemoveHeader{"x-old", 1}, InsertHeader{1, "X-New", "2"},
                              AddRecipient{recipient("second@here.test")}, SetField{"tenant", "t1"}});
    rig.edit(Stage::seal, {InsertHeader{0, "DKIM-Signature", "v=1; b=x"}});
    Rig::Client client(rig);
    hello(client);
    CHECK(client.send_message(kMessage).starts_with("250"));
    const Message& message = *rig.queue.added.at(0);
    CHECK(message.content.head.starts_with("DKIM-Signature: v=1; b=x\r\nReceived: from client.test"));
    CHECK(message.content.head.ends_with("\r\nX-New: 2\r\nSubject: new\r\n\r\n"));
    CHECK(message.content.size() == message.content.head.size() + 6);
    CHECK(message.envelope.recipients.size() == 2);
    CHECK(message.envelope.tenant == "t1");
  }
}

TEST_CASE("edits of earlier stages are there in the end, and positions count our own trace field") {
  HookedRig rig;
  rig.edit(Stage::connect, {SetField{"tenant", "t"}});
  rig.edit(Stage::helo, {SetField{"stream", "bulk"}});
  rig.edit(Stage::mail, {SetSender{*Address::parse("new@a.test")}});
  rig.edit(Stage::rcpt, {SetRecipient{0, recipient("other@here.test")}});
  rig.edit(Stage::data, {AddRecipient{recipient("more@here.test")}});
  rig.edit(Stage::headers, {InsertHeader{1, "X-One", "1"}, SetField{"priority", "7"}});
  Rig::Client client(rig);
  hello(client);
  CHECK(client.send_message(kMessage).starts_with("250"));
  const Message& message = *rig.queue.added.at(0);
  CHECK(message.envelope.tenant == "t");
  CHECK(message.envelope.stream == "bulk");
  CHECK(message.envelope.sender.text() == "new@a.test");
  REQUIRE(message.envelope.recipients.size() == 2);
  CHECK(message.envelope.recipients[0].address.text() == "other@here.test");
  CHECK(message.envelope.recipients[0].original.text() == "b@here.test");
  CHECK(message.envelope.recipients[1].address.text() == "more@here.test");
  CHECK(message.envelope.priority == 7);
  CHECK(message.content.head.starts_with("Received:"));
  CHECK(message.content.head.ends_with("\r\nX-One: 1\r\nSubject: x\r\nX-Old: 1\r\n\r\n"));
}

TEST_CASE("an edit without sense is a logged fault: the hook's policy decides, and nothing is stored by half") {
  for (const Edit& bad : {Edit(InsertHeader{0, "X Y", "a"}), Edit(ReplaceBody{nullptr})}) {
    HookedRig rig;
    rig.edit(Stage::message, {InsertHeader{0, "Good", "1"}, bad});
    Rig::Client client(rig);
    hello(client);
    CHECK(client.send_message(kMessage).starts_with("451"));
    CHECK(rig.until([&] { return rig.sink.count("hook.fault") == 1; }));
  }
  HookedRig late;
  late.edit(Stage::seal, {RemoveHeader{"Subject", 1}});
  Rig::Client client(late);
  hello(client);
  CHECK(client.send_message(kMessage).starts_with("451"));
  CHECK(late.until([&] { return late.sink.count("hook.fault") == 1; }));
}

TEST_CASE("split recipients are messages of their own, stored before the 250") {
  for (uint64_t inline_size : {100'000, 10}) {
    HookedRig rig([&](Settings& s) { s.spool.inline_size = inline_size; });
    rig.edit(Stage::message, {SplitRecipients{{1}}, InsertHeader{0, "X-First", "1"}});
    Rig::Client client(rig);
    hello(client);
    two_recipients(client);
    std::string reply = client.say(kMessage + ".\r\n");
    REQUIRE(rig.queue.added.size() == 2);
    const Message& first = *rig.queue.added[0];
    const Message& second = *rig.queue.added[1];
    CHECK(reply == "250 2.0.0 Ok: queued as " + first.envelope.id.text() + "\r\n");
    CHECK(!(first.envelope.id == second.envelope.id));
    CHECK(rig.spool.message_count() == 2);
    REQUIRE(first.envelope.recipients.size() == 1);
    REQUIRE(second.envelope.recipients.size() == 1);
    CHECK(first.envelope.recipients[0].address.text() == "b@here.test");
    CHECK(second.envelope.recipients[0].address.text() == "c@here.test");
    CHECK(first.content.head.starts_with("X-First: 1\r\n"));
    CHECK(second.content.head.starts_with("Received:"));
    CHECK(rig.calls.count(Stage::seal) == 2);
    CHECK(rig.calls.count(Stage::queued) == 2);
    CHECK(rig.calls.count(Stage::transaction_end) == 1);
    CHECK(rig.context->counters.recipients_accepted == 2);
    if (first.content.file) CHECK(first.content.file != second.content.file);
  }
}

TEST_CASE("a split message that cannot be stored is not accepted at all") {
  HookedRig rig;
  rig.edit(Stage::message, {SplitRecipients{{1}}});
  Rig::Client client(rig);
  hello(client);
  two_recipients(client);
  rig.spool.fail_stores(fail(Errc::no_space, "full"));
  CHECK(client.say(kMessage + ".\r\n").starts_with("452 4.3.1"));
  CHECK(rig.queue.added.empty());
  CHECK(rig.spool.message_count() == 0);
}

TEST_CASE("a hook that answers later, from another thread's point of view; too late is its fault policy") {
  HookedRig rig;
  rig.calls.answers[Stage::rcpt].later = true;
  Rig::Client client(rig);
  hello(client);
  client.say("MAIL FROM:<a@a.test>\r\n");
  client.send("RCPT TO:<b@here.test>\r\n");
  CHECK(rig.until([&] { return rig.calls.waiting.size() == 1; }));
  Verdict no{Action::reject, VerdictScope::step, Reply{550, {5, 1, 1}, {"nobody"}}, "db"};
  CHECK(rig.runner.pending().complete(rig.calls.waiting[0], HookAnswer{no, {}}) == Completion::taken);
  CHECK(client.read(1) == "550 5.1.1 nobody\r\n");
  CHECK(rig.runner.pending().complete(rig.calls.waiting[0], HookAnswer{no, {}}) == Completion::late);
  client.send("RCPT TO:<b@here.test>\r\n");
  CHECK(rig.until([&] { return rig.calls.waiting.size() == 2; }));
  rig.pass(Seconds(61));
  CHECK(client.read(1) == "451 4.7.1 Try again later\r\n");
  CHECK(rig.calls.cancelled == 0);
}

TEST_CASE("a session that ends while a hook thinks cancels it once") {
  HookedRig rig;
  rig.calls.answers[Stage::rcpt].later = true;
  Rig::Client client(rig);
  hello(client);
  client.say("MAIL FROM:<a@a.test>\r\n");
  client.send("RCPT TO:<b@here.test>\r\n");
  CHECK(rig.until([&] { return rig.calls.waiting.size() == 1; }));
  rig.scope.cancel();
  CHECK(rig.calls.cancelled == 1);
  CHECK(rig.calls.count(Stage::transaction_end) == 1);
  CHECK(rig.calls.count(Stage::disconnect) == 1);
  CHECK(rig.runner.pending().complete(rig.calls.waiting[0], {}) == Completion::late);
  CHECK(rig.runner.pending().open_count() == 0);
}
