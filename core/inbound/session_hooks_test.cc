// Hooks round a session: verdicts at every stage become the right replies; edits reach the stored message;
// stages are told once.
#include <functional>
#include <map>

#include "inbound/session.h"
#include "inbound/test_rig.h"

using namespace veredus;

namespace {

const std::string kMessage = "Subject: x\r\nX-Old: 1\r\n\r\nbody\r\n";

class ScriptedHooks final : public StageCalls {
 public:
  explicit ScriptedHooks(Loop& loop) : loop_(loop) {}
  bool any(Stage) const override { return true; }
  Task<Decision> ask(Stage stage, Subject subject) override {
    asked.push_back(stage);
    co_await sleep_until(loop_, Deadline::in(loop_, Millis(0)));  // a hook that suspends
    auto answer = answers.find(stage);
    Decision decision;
    if (answer != answers.end()) decision = answer->second(subject);
    co_return decision;
  }
  void tell(Stage stage, const Subject&) override { ++told[stage]; }

  std::map<Stage, std::function<Decision(const Subject&)>> answers;
  std::vector<Stage> asked;
  std::map<Stage, int> told;

 private:
  Loop& loop_;
};

struct HookedRig : Rig {
  ScriptedHooks calls{loop};
  HookedRig() { use_hooks(calls); }
  explicit HookedRig(const std::function<void(Settings&)>& change) : Rig(change) { use_hooks(calls); }
  ~HookedRig() { scope.cancel(); }

  void answer(Stage stage, Action action, Reply reply = {}, VerdictScope scope = VerdictScope::step) {
    calls.answers[stage] = [=](const Subject&) {
      Decision decision;
      decision.verdict.action = action;
      decision.verdict.reply = reply;
      decision.verdict.scope = scope;
      decision.verdict.rule = "test: rule";
      return decision;
    };
  }
  void edit(Stage stage, std::vector<Edit> edits) {
    calls.answers[stage] = [edits](const Subject&) {
      Decision decision;
      decision.edits = edits;
      return decision;
    };
  }
};

void hello(Rig::Client& client) {
  client.read(1);
  client.say("EHLO client.test\r\n");
}

}  // namespace

TEST_CASE("stages come in order, and each is told once") {
  HookedRig rig;
  {
    Rig::Client client(rig);
    hello(client);
    CHECK(client.send_message(kMessage).starts_with("250"));
    client.say("QUIT\r\n");
    CHECK(client.closes());
  }
  CHECK(rig.calls.asked == std::vector<Stage>{Stage::connect, Stage::helo, Stage::mail, Stage::rcpt,
                                              Stage::data, Stage::headers, Stage::message, Stage::seal});
  CHECK(rig.calls.told[Stage::queued] == 1);
  CHECK(rig.calls.told[Stage::transaction_end] == 1);
  CHECK(rig.calls.told[Stage::disconnect] == 1);
  CHECK(rig.stored(0).ends_with(kMessage));
}

TEST_CASE("a refusal at each stage") {
  struct Case {
    Stage stage;
    Action action;
    std::string expected;
  };
  for (const Case& one :
       {Case{Stage::helo, Action::reject, "550"}, Case{Stage::mail, Action::reject, "550"},
        Case{Stage::mail, Action::tempfail, "451"}, Case{Stage::rcpt, Action::tempfail, "451"},
        Case{Stage::data, Action::reject, "550"}, Case{Stage::headers, Action::reject, "550"},
        Case{Stage::message, Action::tempfail, "451"}, Case{Stage::seal, Action::fault, "451"},
        Case{Stage::rcpt, Action::disconnect, "421"}}) {
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
    CHECK_MESSAGE(all.find("\r\n" + one.expected) != std::string::npos, all);
    CHECK(rig.queue.added.empty());
  }
}

TEST_CASE("refusal at connect; a reply of the wrong class is replaced") {
  HookedRig rig;
  rig.answer(Stage::connect, Action::reject, Reply{554, {5, 7, 1}, {"go away"}});
  Rig::Client client(rig);
  CHECK(client.read(1) == "554 5.7.1 go away\r\n");
  CHECK(client.closes());
  HookedRig wrong;
  wrong.answer(Stage::mail, Action::reject, Reply{250, {2, 0, 0}, {"fine"}});
  Rig::Client other(wrong);
  hello(other);
  CHECK(other.say("MAIL FROM:<a@a.test>\r\n") == "550 5.7.1 Refused by policy\r\n");
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

TEST_CASE("discard is 250 with a logged final state; hold is stored") {
  HookedRig rig;
  rig.answer(Stage::message, Action::discard);
  Rig::Client client(rig);
  hello(client);
  CHECK(client.send_message(kMessage).starts_with("250 2.0.0 Ok: queued as"));
  CHECK(rig.queue.added.empty());
  CHECK(rig.context->counters.recipients_discarded == 1);
  CHECK(rig.until([&] { return rig.sink.count("recipient.discarded") == 1; }));
  rig.answer(Stage::rcpt, Action::discard);
  rig.calls.answers.erase(Stage::message);
  CHECK(client.send_message(kMessage).starts_with("250"));
  CHECK(rig.queue.added.empty());
  rig.calls.answers.clear();
  rig.answer(Stage::headers, Action::hold);
  CHECK(client.send_message(kMessage).starts_with("250"));
  CHECK(rig.queue.added.at(0)->envelope.held);
  CHECK(rig.queue.added.at(0)->envelope.hold_reason == "test: rule");
}

TEST_CASE("a hook's ok does not open a relay") {
  HookedRig rig;
  rig.answer(Stage::rcpt, Action::ok, {}, VerdictScope::connection);
  Rig::Client client(rig, "127.0.0.2");
  hello(client);
  client.say("MAIL FROM:<a@a.test>\r\n");
  CHECK(client.say("RCPT TO:<x@elsewhere.test>\r\n").starts_with("550 5.7.1"));
}

TEST_CASE("edits: headers, recipients, fields, and the seal on top") {
  for (uint64_t inline_size : {100'000, 10}) {
    HookedRig rig([&](Settings& s) { s.spool.inline_size = inline_size; });
    Recipient second;
    second.address = *Address::parse("second@here.test");
    rig.edit(Stage::message, {ReplaceHeader{"Subject", 1, "new"}, RemoveHeader{"x-old", 1},
                              InsertHeader{1, "X-New", "2"}, AddRecipient{second}, SetField{"tenant", "t1"}});
    rig.edit(Stage::seal, {InsertHeader{0, "DKIM-Signature", "v=1;\r\n\tb=x"}});
    Rig::Client client(rig);
    hello(client);
    CHECK(client.send_message(kMessage).starts_with("250"));
    const Message& message = *rig.queue.added.at(0);
    CHECK(message.content.head.starts_with("DKIM-Signature: v=1;\r\n\tb=x\r\nReceived: from client.test"));
    CHECK(message.content.head.ends_with("\r\nX-New: 2\r\nSubject: new\r\n\r\n"));
    CHECK(message.content.size() == message.content.head.size() + 6);
    CHECK(message.envelope.recipients.size() == 2);
    CHECK(message.envelope.tenant == "t1");
  }
}

TEST_CASE("an edit that is illegal, or comes too late, refuses the message for now") {
  for (const Edit& bad : {Edit(InsertHeader{0, "X", "a\r\nBcc: b"}), Edit(InsertHeader{0, "X Y", "a"}),
                          Edit(ReplaceBody{nullptr}), Edit(SplitRecipients{{0}})}) {
    HookedRig rig;
    rig.edit(Stage::message, {bad});
    Rig::Client client(rig);
    hello(client);
    CHECK(client.send_message(kMessage).starts_with("451 4.3.0"));
  }
  HookedRig late;
  late.edit(Stage::seal, {RemoveHeader{"Subject", 1}});
  Rig::Client client(late);
  hello(client);
  CHECK(client.send_message(kMessage).starts_with("451 4.3.0"));
}

TEST_CASE("a client that vanishes while a hook thinks") {
  HookedRig rig;
  Rig::Client client(rig);
  hello(client);
  client.say("MAIL FROM:<a@a.test>\r\n");
  client.send("RCPT TO:<b@here.test>\r\n");
  client.hang_up();
  CHECK(rig.until([&] { return rig.scope.running() == 0; }));
  CHECK(rig.calls.told[Stage::transaction_end] == 1);
  CHECK(rig.calls.told[Stage::disconnect] == 1);
}
