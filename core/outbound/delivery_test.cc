// What next hops may say and do, and what becomes of each recipient.
#include "outbound/test_rig.h"

#include <unistd.h>

#include <filesystem>

using namespace veredus;
using namespace veredus::outbound_test;

namespace {

struct OneHop {
  Rig rig;
  NextHopServer hop{rig.loop, "127.0.0.1"};
  OneHop() {
    rig.route(hop);
    OutboundSettings& times = rig.settings.outbound;
    times.helo_timeout = times.mail_timeout = times.rcpt_timeout = times.data_timeout = times.dot_timeout = Millis(200);
  }
  void deliver(std::shared_ptr<const Message> message) {
    rig.give(std::move(message));
    rig.deliver_to("to.test");
  }
  void deliver(std::vector<std::string> recipients) { deliver(rig.message(std::move(recipients))); }
  void says(const std::string& start, const std::string& reply) {
    rules_.emplace_back(start, reply);
    hop.answer = [this](const std::string& line) -> std::optional<std::string> {
      for (const auto& [begin, reply] : rules_)
        if (line.starts_with(begin)) return reply;
      return std::nullopt;
    };
  }
  const RecipientOutcome& of(uint32_t recipient) const {
    for (const RecipientOutcome& one : rig.outcomes)
      if (one.recipient == recipient) return one;
    FAIL("no outcome");
    std::abort();
  }

 private:
  std::vector<std::pair<std::string, std::string>> rules_;
};

}  // namespace

TEST_CASE("messages go over one connection, dots and all") {
  for (bool pipelining : {true, false}) {
    OneHop one;
    if (!pipelining) one.hop.features = {};
    one.rig.give(one.rig.message({"a@to.test"}, "Subject: 1\r\n\r\n.dot\r\n..\r\n"));
    one.rig.give(one.rig.message({"b@to.test"}));
    one.rig.deliver_to("to.test");
    CHECK(one.hop.connections == 1);
    REQUIRE(one.hop.contents.size() == 2);
    CHECK(one.hop.contents[0] == "Subject: 1\r\n\r\n..dot\r\n...\r\n");
    CHECK(one.rig.outcome(0) == Outcome::delivered);
    CHECK(one.rig.outcome(1) == Outcome::delivered);
    CHECK(one.hop.saw("QUIT"));
    CHECK(one.rig.ended == LeaseEnd::idle);
  }
}

TEST_CASE("a next hop that answers more than it was asked is a failed host, not a reason to connect again and again") {
  OneHop one;
  one.says("EHLO", "250 hop.test\r\n250 hop.test\r\n");
  one.deliver({"a@to.test"});
  CHECK(one.hop.connections <= 2);
  CHECK(one.hop.contents.empty());
  CHECK(one.rig.ended == LeaseEnd::error);
}

TEST_CASE("each recipient has its own answer") {
  OneHop one;
  one.says("RCPT TO:<b@", "550 5.1.1 no such user\r\n");
  one.says("RCPT TO:<c@", "450 4.2.1 busy\r\n");
  one.deliver({"a@to.test", "b@to.test", "c@to.test"});
  CHECK(one.of(0).outcome == Outcome::delivered);
  CHECK(one.of(1).outcome == Outcome::permanent);
  CHECK(one.of(1).reply.joined() == "550 5.1.1 no such user");
  CHECK(one.of(2).outcome == Outcome::temporary);
  CHECK(one.rig.outcomes.size() == 3);
}

TEST_CASE("refusals at MAIL, of all recipients, at DATA and at the dot") {
  struct Case {
    std::string at, reply;
    Outcome outcome;
  };
  for (const Case& one_case : {Case{"MAIL", "550 5.7.1 no\r\n", Outcome::permanent}, Case{"RCPT", "550 5.1.1 no\r\n", Outcome::permanent},
                               Case{"DATA", "554 5.3.0 no\r\n", Outcome::permanent}, Case{"DATA", "451 4.3.0 later\r\n", Outcome::temporary},
                               Case{"DOT", "552 5.6.0 no\r\n", Outcome::permanent}, Case{"DOT", "452 4.3.1 later\r\n", Outcome::temporary}}) {
    CAPTURE(one_case.at);
    OneHop one;
    one.says(one_case.at, one_case.reply);
    one.deliver({"a@to.test", "b@to.test"});
    REQUIRE(one.rig.outcomes.size() == 2);
    CHECK(one.of(0).outcome == one_case.outcome);
    CHECK(one.of(1).outcome == one_case.outcome);
    CHECK(one.of(0).reply.joined() + "\r\n" == one_case.reply);
  }
}

TEST_CASE("452 on later recipients: the rest goes at once in a new transaction") {
  OneHop one;
  int taken = 0;
  one.hop.answer = [&](const std::string& line) -> std::optional<std::string> {
    if (line.starts_with("MAIL")) taken = 0;
    if (line.starts_with("RCPT") && ++taken > 2) return "452 4.5.3 too many recipients\r\n";
    return std::nullopt;
  };
  one.deliver({"a@to.test", "b@to.test", "c@to.test", "d@to.test", "e@to.test"});
  CHECK(one.hop.contents.size() == 3);
  CHECK(one.hop.connections == 1);
  CHECK(one.rig.outcomes.size() == 5);
  for (uint32_t i = 0; i < 5; ++i) CHECK(one.of(i).outcome == Outcome::delivered);
}

TEST_CASE("a message over the announced SIZE is not sent") {
  OneHop one;
  one.hop.features = {"SIZE 100"};
  one.deliver(one.rig.message({"a@to.test"}, "Subject: x\r\n\r\n" + std::string(200, 'x') + "\r\n"));
  CHECK(one.rig.outcome() == Outcome::permanent);
  CHECK(one.of(0).reply.enhanced.text() == "5.3.4");
  CHECK(!one.hop.saw("MAIL"));
}

TEST_CASE("8-bit content needs 8BITMIME, UTF-8 addresses need SMTPUTF8") {
  OneHop plain;
  plain.hop.features = {};
  auto message = plain.rig.message({"a@to.test"}, "Subject: x\r\n\r\n\xC3\xBC\r\n");
  message->envelope.content_8bit = true;
  plain.deliver(message);
  CHECK(plain.of(0).reply.enhanced.text() == "5.6.3");
  CHECK(plain.rig.outcome() == Outcome::permanent);
  OneHop utf8;
  auto other = utf8.rig.message({"\xC3\xBC@to.test"});
  other->envelope.smtputf8 = true;
  utf8.deliver(other);
  CHECK(utf8.rig.outcome() == Outcome::permanent);
  CHECK(utf8.hop.contents.empty());
  OneHop able;
  able.hop.features = {"8BITMIME", "CHUNKING", "PIPELINING"};
  able.deliver(message);
  CHECK(able.rig.outcome() == Outcome::delivered);
  REQUIRE(able.hop.contents.size() == 1);
  CHECK(able.hop.contents[0] == *message->content.memory);
  CHECK(able.hop.saw("MAIL FROM:<sender@from.test> "));
}

TEST_CASE("DSN parameters travel when they are offered, and not otherwise") {
  for (bool offered : {true, false}) {
    OneHop one;
    if (offered) one.hop.features.push_back("DSN");
    auto message = one.rig.message({"a@to.test"});
    message->envelope.envid = "id 1";
    message->envelope.dsn_return = DsnReturn::headers;
    message->envelope.recipients[0].notify = kNotifySuccess | kNotifyFailure;
    message->envelope.recipients[0].orcpt = "rfc822;first@to.test";
    one.deliver(message);
    CHECK(one.rig.outcome() == Outcome::delivered);
    CHECK(one.of(0).dsn_relayed == offered);
    std::string mail, rcpt;
    for (const std::string& line : one.hop.commands) (line.starts_with("MAIL") ? mail : line.starts_with("RCPT") ? rcpt : mail) += line;
    CHECK((mail.find("RET=HDRS") != std::string::npos) == offered);
    CHECK((mail.find("ENVID=id+201") != std::string::npos) == offered);
    CHECK((rcpt.find("NOTIFY=SUCCESS,FAILURE") != std::string::npos) == offered);
    CHECK((rcpt.find("ORCPT=rfc822;first@to.test") != std::string::npos) == offered);
  }
}

TEST_CASE("a connection lost after the content is uncertain: tried again, and said so") {
  OneHop one;
  one.says("DOT", "CLOSE");
  one.deliver({"a@to.test"});
  CHECK(one.rig.outcome() == Outcome::temporary);
  CHECK(one.rig.lines.has("attempt.uncertain"));
  OneHop stalled;
  stalled.says("DOT", "");
  stalled.deliver({"a@to.test"});
  CHECK(stalled.rig.outcome() == Outcome::temporary);
  CHECK(stalled.rig.lines.has("attempt.uncertain"));
}

TEST_CASE("a next hop that stops, closes, lies or babbles loses nothing") {
  for (const char* at : {"EHLO", "MAIL", "RCPT", "DATA"})
    for (const char* reply : {"CLOSE", "", "nonsense\r\n", "421 4.3.2 going down\r\n"}) {
      CAPTURE(at);
      CAPTURE(reply);
      OneHop one;
      one.says(at, reply);
      one.says("HELO", reply);
      one.deliver({"a@to.test", "b@to.test"});
      for (const RecipientOutcome& outcome : one.rig.outcomes) CHECK(outcome.outcome == Outcome::temporary);
      bool kept = !one.rig.waiting.empty() && one.rig.failure.temporary();
      CHECK((kept || one.rig.outcomes.size() == 2));
      CHECK(one.hop.contents.empty());
    }
}

TEST_CASE("an endless reply is cut off") {
  OneHop one;
  std::string endless;
  for (int i = 0; i < 100'000; ++i) endless += "250-more and more of it\r\n";
  one.says("EHLO", endless);
  one.deliver({"a@to.test"});
  CHECK(one.rig.outcomes.empty());
  CHECK(one.rig.failure.temporary());
}

TEST_CASE("a next hop that claims CHUNKING and does not know BDAT") {
  OneHop one;
  one.hop.features = {"CHUNKING", "8BITMIME"};
  auto message = one.rig.message({"a@to.test"}, "Subject: x\r\n\r\n\xC3\xBC\r\n");
  message->envelope.content_8bit = true;
  one.says("DOT", "500 5.5.1 what is BDAT?\r\n");
  one.deliver(message);
  REQUIRE(one.rig.outcomes.size() == 1);
  CHECK(one.rig.outcome() != Outcome::delivered);
}

TEST_CASE("a used connection found dead is replaced at once and counts for nothing") {
  OneHop one;
  one.rig.give("a@to.test");
  one.rig.give("b@to.test");
  int calls = 0;
  one.rig.before_next = [&] {
    if (++calls == 2) one.hop.close_all();
  };
  one.rig.deliver_to("to.test");
  CHECK(one.hop.connections == 2);
  REQUIRE(one.rig.outcomes.size() == 2);
  CHECK(one.rig.outcome(0) == Outcome::delivered);
  CHECK(one.rig.outcome(1) == Outcome::delivered);
  OneHop goodbye;  // 421 instead of an answer to the second MAIL
  int mails = 0;
  goodbye.hop.answer = [&](const std::string& line) -> std::optional<std::string> {
    if (line.starts_with("MAIL") && ++mails == 2) return "421 4.4.2 idle for too long\r\n";
    return std::nullopt;
  };
  goodbye.rig.give("a@to.test");
  goodbye.rig.give("b@to.test");
  goodbye.rig.deliver_to("to.test");
  CHECK(goodbye.rig.outcomes.size() == 2);
  CHECK(goodbye.rig.outcome(1) == Outcome::delivered);
  CHECK(goodbye.hop.connections == 2);
}

TEST_CASE("an unused connection waits as long as told, and then takes its leave") {
  OneHop one;
  one.rig.lingers = true;
  one.rig.give("a@to.test");
  one.rig.deliver_to("to.test");
  CHECK(one.rig.ended == LeaseEnd::idle);
  CHECK(one.hop.count("QUIT") == 1);
}

TEST_CASE("LMTP over a Unix socket answers for each recipient") {
  Rig rig;
  std::string path = (std::filesystem::temp_directory_path() / ("vrd-lmtp-" + std::to_string(getpid()))).string();
  {
    NextHopServer hop(rig.loop, path);
    hop.answer = [](const std::string& line) -> std::optional<std::string> {
      if (line.starts_with("DOT <b@")) return "450 4.2.2 mailbox full\r\n";
      if (line.starts_with("DOT <c@")) return "550 5.2.1 disabled\r\n";
      return std::nullopt;
    };
    rig.route("lmtp://" + path);
    rig.give(rig.message({"a@to.test", "b@to.test", "c@to.test"}));
    rig.deliver_to("to.test");
    CHECK(hop.saw("LHLO mx.example.test"));
    REQUIRE(rig.outcomes.size() == 3);
    CHECK(rig.outcome(0) == Outcome::delivered);
    CHECK(rig.outcome(1) == Outcome::temporary);
    CHECK(rig.outcome(2) == Outcome::permanent);
  }
  rig.turns(3);
  std::filesystem::remove(path);
}

TEST_CASE("a large body is sent from the spool, octet by octet the same") {
  OneHop one;
  std::string body = "Subject: large\r\n\r\n";
  for (int i = 0; body.size() < 3'000'000; ++i) body += "line " + std::to_string(i) + " of many\r\n";
  auto message = one.rig.message({"a@to.test"});
  auto store = [](Spool& spool, Loop& loop, std::string octets, Content& content) -> Task<void> {
    auto writer = co_await spool.create_body(loop);
    (void)co_await (*writer)->append(std::move(octets));
    auto finished = co_await (*writer)->finish();
    content.memory.reset();
    content.file = *finished;
  };
  one.rig.scope.spawn(store(one.rig.spool, one.rig.loop, body, message->content));
  message->content.head = "Received: here\r\n";
  one.rig.settings.outbound.dot_timeout = Millis(5000);
  one.deliver(message);
  REQUIRE(one.hop.contents.size() == 1);
  CHECK(one.hop.contents[0] == "Received: here\r\n" + body);
  CHECK(one.rig.outcome() == Outcome::delivered);
}

TEST_CASE("hooks hold an attempt back, and reclassify what a next hop said") {
  OneHop held;
  held.rig.hook(Stage::attempt, [](HookCall& call) {
    CHECK(call.subject().destination.starts_with("smtp://127.0.0.1:"));
    Verdict verdict;
    if (call.subject().recipient->address.local() == "a") verdict.action = Action::hold;
    return verdict;
  });
  held.deliver({"a@to.test", "b@to.test"});
  CHECK(held.of(0).outcome == Outcome::held);
  CHECK(held.of(1).outcome == Outcome::delivered);
  CHECK(held.hop.count("RCPT") == 1);
  OneHop softened;
  softened.says("RCPT", "550 5.7.1 your address has a bad name\r\n");
  softened.rig.hook(Stage::result, [](HookCall& call) {
    CHECK(call.subject().reply->code == 550);
    CHECK(call.subject().remote.starts_with("127.0.0.1 [127.0.0.1]:"));
    CHECK(call.subject().attempts == 0);
    Verdict verdict;
    verdict.action = Action::tempfail;
    return verdict;
  });
  softened.deliver({"a@to.test"});
  CHECK(softened.rig.outcome() == Outcome::temporary);
  CHECK(softened.rig.reply() == "450 4.7.1 your address has a bad name");
}

TEST_CASE("a hook sends a recipient another way after a refusal, but not after a delivery") {
  for (bool refused : {true, false}) {
    OneHop one;
    if (refused) one.says("RCPT", "450 4.7.1 slow down\r\n");
    one.rig.hook(Stage::result, [](HookCall& call) {
      call.edits().push_back(SetRoute{0, "smtp://127.0.0.1:9", "warm"});
      return Verdict();
    });
    one.deliver({"a@to.test"});
    CHECK(one.rig.outcome() == (refused ? Outcome::rerouted : Outcome::delivered));
    CHECK(one.of(0).next_hop == (refused ? "smtp://127.0.0.1:9" : ""));
    CHECK(one.of(0).pool == (refused ? "warm" : ""));
  }
}
