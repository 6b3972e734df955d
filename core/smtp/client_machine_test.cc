// ClientMachine: order of commands with and without extensions, what every reply means, and hostile next hops.
#include <doctest/doctest.h>

#include <random>

#include "smtp/test_client.h"

namespace veredus {

namespace {

using Kind = ClientStep::Kind;

constexpr std::string_view kFull =
    "250-mx\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 CHUNKING\r\n";
constexpr std::string_view kPipelining = "250-mx\r\n250 PIPELINING\r\n";
constexpr std::string_view kPlain = "250 mx\r\n";

std::shared_ptr<Message> changeable(std::vector<std::string> to = {"b@b.test"}) {
  return std::make_shared<Message>(*test_message("x\r\n", std::move(to)));
}

}  // namespace

TEST_CASE("the handshake reads features and falls back to HELO") {
  Client full;
  CHECK(full.get("220 hi\r\n") == "EHLO me.test\r\n");
  CHECK(full.get("250-mx\r\n250-size 10\r\n250-AUTH PLAIN LOGIN\r\n250-AUTH=X\r\n250 STARTTLS\r\n") == "");
  CHECK(full.machine.features().size == 10);
  CHECK(full.machine.features().starttls);
  CHECK(full.machine.features().auth == std::vector<std::string>{"PLAIN", "LOGIN", "X"});
  CHECK(full.is(Kind::ready));

  Client old;
  old.get("220 hi\r\n");
  CHECK(old.get("502 what\r\n") == "HELO me.test\r\n");
  CHECK(old.get("250-x\r\n250 PIPELINING\r\n") == "");
  CHECK_FALSE(old.machine.features().pipelining);
  CHECK(old.machine.greeted());

  Client never;
  never.greet("502 what\r\n");
  never.get("502 what\r\n");
  CHECK(never.is(Kind::closed));
  CHECK(never.machine.problem().code == 502);
}

TEST_CASE("STARTTLS begins the session anew: what was offered before is forgotten, and mail with REQUIRETLS asks for proof and offer") {
  Client client;
  client.greet("250-mx\r\n250-STARTTLS\r\n250-SIZE 10\r\n250-AUTH PLAIN\r\n250 REQUIRETLS\r\n");
  CHECK_FALSE(client.machine.keeps_tls());
  client.machine.ask_tls();
  CHECK(client.get("") == "STARTTLS\r\n");
  CHECK(client.machine.step().phase == ClientPhase::starttls);
  client.get("220 go on\r\n250-smuggled\r\n250 SIZE 1\r\n");
  CHECK(client.machine.answer().code == 220);
  CHECK_FALSE(client.buffer.empty());  // left to the caller, who must not go on
  client.buffer.clear();
  client.machine.tls_started(true);
  CHECK(client.get("") == "EHLO me.test\r\n");
  CHECK_FALSE(client.machine.features().size_offered);
  CHECK(client.machine.features().auth.empty());
  client.get("250-mx\r\n250 REQUIRETLS\r\n");
  CHECK(client.is(Kind::ready));
  CHECK(client.machine.keeps_tls());
  auto strict = changeable();
  strict->envelope.require_tls = true;
  CHECK(client.send(strict) == "MAIL FROM:<a@a.test> REQUIRETLS\r\n");
}

TEST_CASE("greetings that are refusals or no greetings close the connection") {
  for (std::string_view greeting : {"554 no\r\n", "421 later\r\n", "521 never\r\n"}) {
    Client client;
    CHECK(client.get(greeting) == "");
    CHECK(client.is(Kind::closed));
    CHECK_FALSE(client.machine.greeted());
    CHECK(client.machine.problem().code != 451);
  }
  for (std::string_view greeting : {"250 hi\r\n", "354 go\r\n", "HTTP/1.1 400 Bad Request\r\n"}) {
    Client client;
    client.get(greeting);
    CHECK(client.is(Kind::closed));
    CHECK(client.machine.problem().enhanced == EnhancedCode{4, 5, 0});
  }
}

TEST_CASE("with PIPELINING and CHUNKING a small message is one write") {
  Client client;
  client.greet(kFull);
  CHECK(client.send(test_message(".x\r\n", {"b@b.test", "c@b.test"})) ==
        "MAIL FROM:<a@a.test> SIZE=4\r\nRCPT TO:<b@b.test>\r\nRCPT TO:<c@b.test>\r\nBDAT 4 LAST\r\n.x\r\n");
  CHECK(client.get("250 ok\r\n250 ok\r\n550 5.1.1 no\r\n250 2.0.0 queued\r\n") == "");
  REQUIRE(client.is(Kind::finished));
  CHECK(client.fates() == "delivered refused");
  CHECK(client.machine.results()[1].stage == ClientPhase::rcpt);
  client.machine.next();
  CHECK(client.send(test_message("y\r\n", {"b@b.test"})) == "MAIL FROM:<a@a.test> SIZE=3\r\nRCPT TO:<b@b.test>\r\nBDAT 3 LAST\r\ny\r\n");
}

TEST_CASE("large content waits until a recipient is accepted") {
  std::string large(70000, 'x');
  Client client;
  client.greet(kFull);
  CHECK(client.send(test_message(large, {"b@b.test"})) == "MAIL FROM:<a@a.test> SIZE=70000\r\nRCPT TO:<b@b.test>\r\n");
  CHECK(client.get("250 ok\r\n") == "");
  CHECK(client.get("250 ok\r\n") == "BDAT 70000 LAST\r\n" + large);

  Client refused;
  refused.greet(kFull);
  refused.send(test_message(large, {"b@b.test"}));
  CHECK(refused.get("250 ok\r\n550 no\r\n") == "");
  CHECK(refused.is(Kind::finished));
  refused.machine.next();
  CHECK(refused.send(test_message("y\r\n", {"b@b.test"})).substr(0, 10) == "RSET\r\nMAIL");
}

TEST_CASE("without CHUNKING the content follows 354") {
  Client client;
  client.greet(kPipelining);
  CHECK(client.send(test_message(".x\r\n", {"b@b.test"})) == "MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\n");
  CHECK(client.get("250 ok\r\n250 ok\r\n354 go\r\n") == "..x\r\n.\r\n");
  client.get("250 ok\r\n");
  CHECK(client.fates() == "delivered");
}

TEST_CASE("354 although nobody was accepted is answered with a lone dot") {
  Client client;
  client.greet(kPipelining);
  client.send(test_message("x\r\n", {"b@b.test"}));
  CHECK(client.get("250 ok\r\n550 no\r\n354 go\r\n") == ".\r\n");
  client.get("554 nobody\r\n");
  CHECK(client.fates() == "refused");
  CHECK(client.machine.results()[0].reply.code == 550);
}

TEST_CASE("without PIPELINING every command waits for its answer") {
  Client client;
  client.greet(kPlain);
  CHECK(client.send(test_message("x\r\n", {"b@b.test", "c@b.test"})) == "MAIL FROM:<a@a.test>\r\n");
  CHECK(client.get("250 ok\r\n") == "RCPT TO:<b@b.test>\r\n");
  CHECK(client.get("250 ok\r\n") == "RCPT TO:<c@b.test>\r\n");
  CHECK(client.get("450 later\r\n") == "DATA\r\n");
  CHECK(client.get("354 go\r\n") == "x\r\n.\r\n");
  client.get("250 ok\r\n");
  CHECK(client.fates() == "delivered refused");

  client.machine.next();
  client.send(test_message("x\r\n", {"b@b.test"}));
  CHECK(client.get("550 not you\r\n") == "");
  CHECK(client.fates() == "refused");
  client.machine.next();
  CHECK(client.send(test_message("x\r\n", {"b@b.test"})) == "RSET\r\n");
  CHECK(client.get("250 ok\r\n") == "MAIL FROM:<a@a.test>\r\n");
}

TEST_CASE("a refused MAIL or DATA decides every recipient with its own reply") {
  Client client;
  client.greet(kPipelining);
  client.send(test_message("x\r\n", {"b@b.test", "c@b.test"}));
  client.get("452 4.3.1 full\r\n503 mail first\r\n503 mail first\r\n503 mail first\r\n");
  CHECK(client.fates() == "refused refused");
  CHECK(client.machine.results()[1].reply.code == 452);
  client.machine.next();
  CHECK(client.send(test_message("x\r\n", {"b@b.test", "c@b.test"})).starts_with("RSET\r\nMAIL"));
  client.get("250 reset\r\n250 ok\r\n250 ok\r\n550 no\r\n451 data broken\r\n250 surplus\r\n");
  CHECK(client.fates() == "refused refused");
  CHECK(client.machine.results()[0].reply.code == 451);
  CHECK(client.machine.results()[1].reply.code == 550);
  CHECK(client.buffer == "250 surplus\r\n");
}

TEST_CASE("452 after an accepted recipient asks for another transaction; a full mailbox does not") {
  Client client;
  client.greet(kFull);
  client.send(test_message("x\r\n", {"b@b.test", "c@b.test", "d@b.test"}));
  client.get("250 ok\r\n250 ok\r\n452 4.5.3 too many\r\n452 4.2.2 mailbox full\r\n250 ok\r\n");
  CHECK(client.fates() == "delivered later refused");

  Client first;
  first.greet(kFull);
  first.send(test_message("x\r\n", {"b@b.test"}));
  first.get("250 ok\r\n452 4.5.3 too many\r\n503 nobody\r\n");
  CHECK(first.fates() == "refused");
}

TEST_CASE("421 ends the connection wherever it comes") {
  const std::string_view before[] = {"", "250 ok\r\n", "250 ok\r\n250 ok\r\n", "250 ok\r\n250 ok\r\n250 ok\r\n"};
  const std::string_view fates[] = {"untouched untouched", "refused refused", "refused refused", "refused refused"};
  for (size_t i = 0; i < 4; ++i) {
    Client client;
    client.greet(kFull);
    client.send(test_message("x\r\n", {"b@b.test", "c@b.test"}));
    client.get(before[i]);
    client.get("421 4.3.2 closing\r\n");
    REQUIRE(client.is(Kind::finished));
    CHECK(client.fates() == fates[i]);
    client.machine.next();
    CHECK(client.is(Kind::closed));
    CHECK(client.machine.problem().code == 421);
  }
}

TEST_CASE("a lost connection tells what is known of every recipient") {
  Reply why{450, {4, 4, 2}, {"gone"}};
  Client early;
  early.greet(kFull);
  early.send(test_message("x\r\n", {"b@b.test"}));
  early.machine.lost(why);
  CHECK(early.fates() == "untouched");
  CHECK_FALSE(early.machine.uncertain());

  Client late;
  late.greet(kFull);
  late.send(test_message("x\r\n", {"b@b.test", "c@b.test"}));
  late.get("250 ok\r\n250 ok\r\n550 no\r\n");
  late.machine.lost(why);
  CHECK(late.fates() == "lost refused");
  CHECK(late.machine.uncertain());
  CHECK(late.machine.results()[0].reply == why);
}

TEST_CASE("after a failed write a refusal still counts and an acceptance does not") {
  for (bool accepts : {false, true}) {
    Client client;
    client.greet(kPipelining);
    client.send(test_message("x\r\n", {"b@b.test"}));
    client.machine.feed("250 ok\r\n250 ok\r\n354 go\r\n");
    REQUIRE(client.machine.step().content == ClientStep::Content::dotted);
    client.machine.write_failed();
    client.machine.feed(accepts ? "250 ok\r\n" : "552 5.3.4 too large\r\n");
    CHECK(client.fates() == (accepts ? "lost" : "refused"));
  }
}

TEST_CASE("LMTP answers content once a recipient") {
  Client client(true);
  CHECK(client.get("220 hi\r\n") == "LHLO me.test\r\n");
  client.get(kFull);
  CHECK(client.send(test_message("x\r\n", {"b@b.test", "c@b.test", "d@b.test"})).find("BDAT") == std::string::npos);
  CHECK(client.get("250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n") == "BDAT 3 LAST\r\nx\r\n");
  client.get("250 ok\r\n");
  CHECK(client.is(Kind::read));
  client.get("452 4.2.2 full\r\n");
  CHECK(client.fates() == "delivered refused refused");

  Client refused(true);
  refused.get("220 hi\r\n");
  refused.get("502 no\r\n");
  CHECK(refused.is(Kind::closed));
}

TEST_CASE("what the next hop does not offer is refused before anything is sent") {
  Client client;
  client.greet("250-mx\r\n250 SIZE 2\r\n");
  auto check = [&](std::shared_ptr<Message> message, std::string_view code) {
    CHECK(client.send(message) == "");
    REQUIRE(client.fates() == "refused");
    CHECK(client.machine.results()[0].reply.enhanced.text() == code);
    CHECK(client.machine.results()[0].local);
    client.machine.next();
  };
  check(changeable(), "5.3.4");
  auto eight = changeable();
  eight->envelope.content_8bit = true;
  check(eight, "5.6.3");
  auto utf8 = changeable();
  utf8->envelope.sender = *Address::parse("\xC3\xA9@a.test");
  check(utf8, "5.6.7");
  auto header = changeable();
  header->envelope.header_8bit = header->envelope.smtputf8 = true;
  check(header, "5.6.7");
  auto injected = changeable();
  injected->envelope.sender = Address::make("a\r\nRSET", "a.test");
  check(injected, "5.1.7");
}

TEST_CASE("one recipient that needs SMTPUTF8 does not stop the others") {
  Client client;
  client.greet(kPipelining);
  CHECK(client.send(changeable({"b@b.test", "\xC3\xA9@b.test", "c@b.test"})) ==
        "MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nRCPT TO:<c@b.test>\r\nDATA\r\n");
  client.get("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n");
  CHECK(client.fates() == "delivered refused delivered");
}

TEST_CASE("parameters follow content and envelope, not what was declared") {
  auto message = changeable();
  message->envelope.body = BodyType::eight_bit;
  message->envelope.smtputf8 = true;
  Client client;
  client.greet(kFull);
  CHECK(client.send(message).starts_with("MAIL FROM:<a@a.test> SIZE=3\r\n"));

  auto rich = changeable({"\xC3\xA9@b.test"});
  rich->envelope.content_8bit = true;
  rich->envelope.dsn_return = DsnReturn::headers;
  rich->envelope.envid = "a b+";
  rich->envelope.recipients[0].notify = kNotifySuccess | kNotifyDelay;
  rich->envelope.recipients[0].orcpt = "rfc822;o@o.test";
  Client second;
  second.greet(kFull);
  CHECK(second.send(rich).starts_with("MAIL FROM:<a@a.test> SIZE=3 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+20b+2B\r\n"
                                      "RCPT TO:<\xC3\xA9@b.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;o@o.test\r\n"));
}

TEST_CASE("answers of the wrong kind are protocol errors") {
  const std::string_view cases[] = {"354 go\r\n", "250 ok\r\n354 go\r\n", "250 ok\r\n250 ok\r\n250 ok\r\n",
                                    "250 ok\r\n250 ok\r\n354 go\r\n354 go\r\n", "250 ok\r\nrubbish\r\n", "250 ok\r\n250-x\r\n550 y\r\n"};
  for (std::string_view replies : cases) {
    Client client;
    client.greet(kPipelining);
    client.send(test_message("x\r\n", {"b@b.test"}));
    client.get(replies);
    REQUIRE(client.is(Kind::finished));
    CHECK(client.fates() == "lost");
    CHECK(client.machine.results()[0].reply.temporary());
    client.machine.next();
    CHECK(client.is(Kind::closed));
  }
}

TEST_CASE("QUIT ends with any answer") {
  Client client;
  client.greet(kFull);
  client.machine.quit();
  CHECK(client.get("") == "QUIT\r\n");
  client.get("421 bye\r\n");
  CHECK(client.is(Kind::closed));
  CHECK(client.machine.problem().code == 0);
}

TEST_CASE("every cut of the replies gives the same conversation") {
  const std::string_view all[] = {
      "220-hi\r\n220 there\r\n250-mx\r\n250-PIPELINING\r\n250 DSN\r\n250 ok\r\n250 ok\r\n452 4.5.3 many\r\n354 go\r\n250 ok\r\n421 bye\r\n",
      "220 hi\r\n500 what\r\n250 mx\r\n250 ok\r\n550 5.1.1 no\r\n250 ok\r\n354 go\r\n550-no\r\n550 no\r\n",
      "220 hi\r\n250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n250 ok\r\n250 ok\r\nrubbish\r\n250 ok\r\n"};
  std::mt19937 random(11);
  for (std::string_view replies : all) {
    std::string expected;
    for (int round = 0; round < 300; ++round) {
      Client client;
      bool begun = false;
      for (std::string_view rest = replies; !rest.empty();) {
        size_t piece = round == 0 ? rest.size() : std::min<size_t>(rest.size(), 1 + random() % 20);
        client.get(rest.substr(0, piece));
        rest.remove_prefix(piece);
        if (client.is(Kind::ready) && !begun) begun = !client.send(test_message(".x\r\n", {"b@b.test", "c@b.test"})).empty();
      }
      client.get("");
      std::string result = client.sent + client.fates() + client.machine.problem().joined() + client.buffer;
      if (round == 0) expected = result;
      CHECK(result == expected);
    }
  }
}

}  // namespace veredus
