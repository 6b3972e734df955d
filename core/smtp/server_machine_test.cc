// The server machine: dialogue, parameters, limits, DATA and BDAT, LMTP, XCLIENT, early talkers, smuggling,
// and the same answers however the input is cut.
#include "smtp/server_machine.h"

#include <doctest/doctest.h>

#include <random>

#include "smtp/test_dialogue.h"

using namespace veredus;
using namespace std::string_literals;

namespace {

const std::string kHello = "EHLO c.test\r\n";
const std::string kMail = "MAIL FROM:<a@a.test>\r\n";
const std::string kRcpt = "RCPT TO:<b@b.test>\r\n";
const std::string kUpToData = kHello + kMail + kRcpt + "DATA\r\n";

std::string code_of(const std::string& replies) {
  return replies.substr(0, 3);
}

std::string last_code(const std::string& replies) {
  size_t begin = replies.rfind("\r\n", replies.size() - 3);
  return replies.substr(begin == replies.npos ? 0 : begin + 2, 3);
}

std::string ask(const std::string& before, const std::string& line,
                ServerOptions options = Dialogue::default_options()) {
  Dialogue dialogue(std::move(options));
  if (!before.empty()) dialogue.say(before);
  return dialogue.say(line);
}

size_t count(const std::string& text, std::string_view part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
  return n;
}

ServerOptions with(void (*change)(ServerOptions&)) {
  ServerOptions options = Dialogue::default_options();
  change(options);
  return options;
}

}  // namespace

TEST_CASE("an ordinary transaction") {
  Dialogue dialogue;
  CHECK(dialogue.replies == "220 mx.test ESMTP Veredus\r\n");
  CHECK(dialogue.say(kHello) ==
        "250-mx.test\r\n250-PIPELINING\r\n250-SIZE "
        "52428800\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n"
        "250-CHUNKING\r\n250 HELP\r\n");
  CHECK(dialogue.say(kMail) == "250 2.1.0 Ok\r\n");
  CHECK(dialogue.say(kRcpt) == "250 2.1.5 Ok\r\n");
  CHECK(code_of(dialogue.say("DATA\r\n")) == "354");
  CHECK(dialogue.say("A: b\r\n\r\nc\r\n.\r\n") == "250 2.0.0 Ok\r\n");
  CHECK(dialogue.messages == std::vector<std::string>{"A: b\r\n\r\nc\r\n"});
  CHECK(dialogue.say(kMail + kRcpt) == "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n");
  CHECK(dialogue.say("quit\r\n") == "221 2.0.0 Bye\r\n");
  CHECK(dialogue.closed);
}

TEST_CASE("commands out of order") {
  CHECK(code_of(ask("", kMail)) == "503");
  CHECK(code_of(ask(kHello, kRcpt)) == "503");
  CHECK(code_of(ask(kHello, "DATA\r\n")) == "503");
  CHECK(code_of(ask(kHello + kMail, "DATA\r\n")) == "503");
  CHECK(code_of(ask(kHello + kMail, kMail)) == "503");
  CHECK(code_of(ask(kHello + kMail + "RCPT TO:<>\r\n", "DATA\r\n")) == "554");
  CHECK(code_of(ask(kHello + kMail + kRcpt + kHello, "DATA\r\n")) == "503");
  CHECK(code_of(ask(kHello + kMail + kRcpt + "RSET\r\n", "DATA\r\n")) == "503");
  CHECK(code_of(ask("", "DATA\r\n")) == "503");
}

TEST_CASE("small commands") {
  CHECK(ask("", "NOOP anything\r\n") == "250 2.0.0 Ok\r\n");
  CHECK(code_of(ask("", "HELP\r\n")) == "214");
  CHECK(code_of(ask("", "VRFY someone\r\n")) == "252");
  CHECK(code_of(ask("", "EXPN list\r\n")) == "502");
  CHECK(code_of(ask("", "STARTTLS\r\n")) == "502");
  CHECK(code_of(ask(kHello, "AUTH PLAIN\r\n")) == "502");
  CHECK(code_of(ask("", "XCLIENT ADDR=1.2.3.4\r\n")) == "550");
  CHECK(code_of(ask("", "NONSENSE\r\n")) == "500");
  CHECK(code_of(ask("", "\r\n")) == "500");
  CHECK(code_of(ask("", "RSET now\r\n")) == "501");
  CHECK(ask("", "HELO c.test\r\n") == "250 mx.test\r\n");
  CHECK(code_of(ask("", "EHLO\r\n")) == "501");
  CHECK(code_of(ask("", "LHLO c.test\r\n")) == "500");
}

TEST_CASE("bad octets and line ends in commands") {
  CHECK(code_of(ask("", "EHLO a\0b\r\n"s)) == "500");
  CHECK(code_of(ask("", "EHLO a\rb\r\n")) == "500");
  CHECK(code_of(ask("", "EHLO \xC3\xA4.test\r\n")) == "500");
  CHECK(code_of(ask("", "EHLO c.test\n")) == "500");
  CHECK(code_of(ask(kHello, "MAIL FROM:<\xC3\xA4@b.test>\r\n")) == "553");
  CHECK(code_of(ask(kHello, "MAIL FROM:<\xC3\xA4@b.test> SMTPUTF8\r\n")) == "250");
  CHECK(code_of(ask(kHello, "MAIL FROM:<\xC3@b.test> SMTPUTF8\r\n")) == "500");
  CHECK(code_of(ask(kHello + kMail, "RCPT TO:<\xC3\xA4@b.test>\r\n")) == "553");
}

TEST_CASE("other protocols are shown the door") {
  for (const char* foreign :
       {"GET / HTTP/1.1\r\n", "POST /x HTTP/1.1\r\nHost: a\r\n\r\nEHLO x\r\n", "CONNECT a:25 HTTP/1.1\r\n",
        "\x16\x03\x01", "\x80", " EHLO x\r\n", "-", "{\r\n"}) {
    Dialogue dialogue;
    CHECK(count(dialogue.say(foreign), "\r\n") == 1);
    CHECK_MESSAGE(dialogue.closed, foreign);
  }
}

TEST_CASE("lines that are too long") {
  CHECK(code_of(ask("", "NOOP " + std::string(2041, 'x') + "\r\n")) == "250");
  Dialogue dialogue;
  CHECK(dialogue.say("NOOP " + std::string(2042, 'x') + "\r\nNOOP\r\n") ==
        "500 5.5.2 Line too long\r\n250 2.0.0 Ok\r\n");
  CHECK(!dialogue.closed);
  dialogue.say("NOOP ");
  for (int i = 0; i < 70 && !dialogue.closed; ++i) dialogue.say(std::string(1000, 'y'));
  CHECK(dialogue.closed);
  CHECK(code_of(dialogue.replies) == "500");
}

TEST_CASE("errors and junk are counted") {
  Dialogue dialogue;
  for (int i = 0; i < 19; ++i) CHECK(code_of(dialogue.say("FOO\r\n")) == "500");
  CHECK(!dialogue.closed);
  CHECK(last_code(dialogue.say("FOO\r\n")) == "421");
  CHECK(dialogue.closed);

  Dialogue junk;
  for (int i = 0; i < 100; ++i) CHECK(code_of(junk.say("NOOP\r\n")) == "250");
  CHECK(code_of(junk.say("NOOP\r\n")) == "421");
  CHECK(junk.closed);
}

TEST_CASE("too many recipients are no error; repeated ones are no second copy") {
  Dialogue dialogue(with([](ServerOptions& o) { o.recipients = 2; }));
  dialogue.say(kHello + kMail);
  CHECK(dialogue.say("RCPT TO:<b@b.test>\r\nRCPT TO:<b@B.TEST>\r\n") == "250 2.1.5 Ok\r\n250 2.1.5 Ok\r\n");
  for (int i = 0; i < 50; ++i) CHECK(code_of(dialogue.say("RCPT TO:<c@b.test>\r\n")) == "452");
  CHECK(!dialogue.closed);
  CHECK(dialogue.machine.error_count() == 0);
  CHECK(dialogue.machine.envelope().recipients.size() == 1);
}

TEST_CASE("policy refuses: nothing of the refused step remains") {
  Dialogue dialogue;
  dialogue.refuse = [](const std::string& event) {
    if (event == "mail bad@a.test") return Reply{550, {5, 7, 1}, {"no"}};
    if (event == "rcpt bad@b.test") return Reply{450, {4, 2, 0}, {"later"}};
    if (event == "end 3 x\r\n") return Reply{554, {5, 6, 0}, {"content"}};
    return Reply();
  };
  dialogue.say(kHello);
  CHECK(dialogue.say("MAIL FROM:<bad@a.test>\r\n") == "550 5.7.1 no\r\n");
  CHECK(code_of(dialogue.say(kRcpt)) == "503");
  dialogue.say(kMail);
  CHECK(dialogue.say("RCPT TO:<bad@b.test>\r\n") == "450 4.2.0 later\r\n");
  CHECK(code_of(dialogue.say("DATA\r\n")) == "554");
  dialogue.say(kRcpt + "DATA\r\n");
  CHECK(dialogue.say("x\r\n.\r\n") == "554 5.6.0 content\r\n");
  CHECK(!dialogue.machine.in_transaction());
  CHECK(code_of(dialogue.say(kMail)) == "250");
}

TEST_CASE("a 421 of policy closes") {
  Dialogue dialogue;
  dialogue.refuse = [](const std::string& event) {
    return event.starts_with("rcpt") ? Reply{421, {4, 7, 0}, {"away"}} : Reply();
  };
  dialogue.say(kHello + kMail + kRcpt);
  CHECK(dialogue.closed);
  CHECK(last_code(dialogue.replies) == "421");
  CHECK(dialogue.events.back() == "reset");
}

TEST_CASE("early input is refused where a client has to wait") {
  CHECK(Dialogue(Dialogue::default_options(), true).closed);
  ServerMachine machine(Dialogue::default_options());
  machine.greet(false);
  std::string input = kHello;
  auto run = [&](bool early) {
    std::string out;
    for (;;) {
      auto advance = machine.advance(input, early);
      input.erase(0, advance.consumed);
      if (auto* send = std::get_if<Send>(&advance.step)) out += send->octets;
      if (std::holds_alternative<AskHelo>(advance.step) || std::holds_alternative<AskMail>(advance.step) ||
          std::holds_alternative<AskRcpt>(advance.step) || std::holds_alternative<AskData>(advance.step))
        machine.accept();
      if (std::holds_alternative<Close>(advance.step)) return out + "closed";
      if (std::holds_alternative<NeedInput>(advance.step)) return out;
    }
  };
  CHECK(code_of(run(false)) == "220");
  input = kMail + kRcpt + "NOOP\r\n";
  CHECK(count(run(true), "250") == 3);  // these may be pipelined
  input = "DATA\r\n";
  std::string out = run(true);
  CHECK(out.starts_with("503 5.5.1"));
  CHECK(out.ends_with("closed"));
  CHECK(machine.broke_early_rule());
  CHECK(!machine.receiving_data());
}

TEST_CASE("the early rule holds for EHLO that is refused, and not for a local dialogue") {
  ServerMachine machine(Dialogue::default_options());
  machine.greet(false);
  machine.advance("", false);
  CHECK(std::holds_alternative<Again>(machine.advance("EHLO\r\n", false).step));
  CHECK(machine.early_matters());
  auto advance = machine.advance("NOOP\r\n", true);
  CHECK(std::get<Send>(advance.step).octets.starts_with("503 5.5.1"));
  Dialogue local(with([](ServerOptions& o) { o.local_dialogue = true; }), true);
  CHECK(last_code(local.say("EHLO x\nMAIL FROM:<a@a.test>\nRCPT TO:<b@b.test>\nDATA\nhi\n.\nQUIT\n")) ==
        "221");
  CHECK(local.messages == std::vector<std::string>{"hi\r\n"});
}

TEST_CASE(
    "smuggling: what only looks like the end is refused at the true end, and no second transaction appears") {
  for (const std::string& fake :
       {"\n.\n"s, "\n.\r\n"s, "\r\n.\n"s, "\r.\r"s, "\r\n.\r"s, "\r\n\0.\r\n"s, "\r\n.\0\r\n"s, "\r.\r\n"s}) {
    Dialogue dialogue;
    dialogue.say(kUpToData);
    std::string replies = dialogue.say("x" + fake + kMail + kRcpt + "DATA\r\nevil\r\n.\r\n");
    INFO(fake);
    CHECK(replies.starts_with("550 5.6.0"));
    CHECK(count(replies, "\r\n") == 1);
    CHECK(dialogue.messages.empty());
    CHECK(code_of(dialogue.say(kMail)) == "250");
  }
}

TEST_CASE("BDAT: exact counts, zero, LAST, lines that look like commands") {
  Dialogue dialogue;
  dialogue.say(kHello + kMail + kRcpt);
  CHECK(dialogue.say("BDAT 8\r\nA: b\r\n\r\n") == "250 2.0.0 8 octets received\r\n");
  CHECK(dialogue.say("BDAT 0\r\n") == "250 2.0.0 0 octets received\r\n");
  CHECK(dialogue.say("BDAT 9\r\nQUIT\r\n.\r\n") == "250 2.0.0 9 octets received\r\n");
  CHECK(dialogue.say("BDAT 0 LAST\r\n") == "250 2.0.0 Ok\r\n");
  CHECK(dialogue.messages == std::vector<std::string>{"A: b\r\n\r\nQUIT\r\n.\r\n"});
  CHECK(dialogue.say(kMail + kRcpt + "BDAT 3 LAST\r\nabcNOOP\r\n") ==
        "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n");
  CHECK(dialogue.messages.back() == "abc");
}

TEST_CASE("BDAT that cannot be taken is skipped exactly") {
  Dialogue dialogue;
  CHECK(dialogue.say("BDAT 6\r\nQUIT\r\nNOOP\r\n").starts_with("503 5.5.1"));
  CHECK(last_code(dialogue.replies) == "250");
  dialogue.say(kHello + kMail);
  CHECK(dialogue.say("BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n").starts_with("503"));
  CHECK(last_code(dialogue.replies) == "250");
  CHECK(!dialogue.closed);
}

TEST_CASE("after a failed chunk everything is 503 until RSET") {
  Dialogue dialogue(with([](ServerOptions& o) { o.message_size = 100; }));
  dialogue.say(kHello + kMail + kRcpt + "BDAT 60\r\n" + std::string(60, 'x'));
  CHECK(code_of(dialogue.say("BDAT 41\r\n" + std::string(41, 'x'))) == "552");
  CHECK(dialogue.events.back() == "reset");
  CHECK(code_of(dialogue.say("BDAT 1 LAST\r\nx")) == "503");
  for (const std::string& line : {kMail, kRcpt, "DATA\r\n"s}) CHECK(code_of(dialogue.say(line)) == "503");
  CHECK(code_of(dialogue.say("RSET\r\n")) == "250");
  CHECK(code_of(dialogue.say(kMail)) == "250");
  CHECK(dialogue.messages.empty());
}

TEST_CASE("a chunk too large to skip, or of unknown size, ends the connection") {
  Dialogue large(with([](ServerOptions& o) { o.message_size = 100; }));
  large.say(kHello + kMail + kRcpt);
  CHECK(code_of(large.say("BDAT 99999999999\r\n")) == "552");
  CHECK(large.closed);
  Dialogue unknown;
  unknown.say(kHello + kMail + kRcpt);
  CHECK(code_of(unknown.say("BDAT x LAST\r\nQUIT\r\n")) == "501");
  CHECK(unknown.closed);
  Dialogue endless(with([](ServerOptions& o) {
    o.errors = 1000;
    o.message_size = 100;
  }));
  std::string chunk = "BDAT 100000\r\n" + std::string(100000, 'x');
  for (int i = 0; i < 20 && !endless.closed; ++i) endless.say(chunk);
  CHECK(endless.closed);
}

TEST_CASE("DATA and other commands do not mix with BDAT; the number of chunks is bounded") {
  Dialogue dialogue(with([](ServerOptions& o) { o.chunks = 3; }));
  dialogue.say(kHello + kMail + kRcpt + "BDAT 1\r\nx");
  for (const std::string& line : {"DATA\r\n"s, kMail, kRcpt}) CHECK(code_of(dialogue.say(line)) == "503");
  CHECK(code_of(dialogue.say("NOOP\r\n")) == "250");
  CHECK(code_of(dialogue.say("BDAT 0\r\n")) == "250");
  CHECK(code_of(dialogue.say("BDAT 0\r\n")) == "250");
  CHECK(code_of(dialogue.say("BDAT 0\r\n")) == "552");
}

TEST_CASE("a bare newline across chunks is found; policy may refuse the first chunk") {
  Dialogue dialogue;
  dialogue.say(kHello + kMail + kRcpt);
  CHECK(dialogue.say("BDAT 2\r\na\rBDAT 3 LAST\r\nb\r\n") ==
        "250 2.0.0 2 octets received\r\n550 5.6.0 Message contains a bare CR or bare LF\r\n");
  dialogue.refuse = [](const std::string& event) {
    return event == "bdat" ? Reply{451, {4, 3, 0}, {"busy"}} : Reply();
  };
  dialogue.say(kMail + kRcpt);
  CHECK(dialogue.say("BDAT 6\r\nQUIT\r\n") == "451 4.3.0 busy\r\n");
  CHECK(code_of(dialogue.say("BDAT 6 LAST\r\nQUIT\r\n")) == "503");
}

TEST_CASE("LMTP: LHLO only, one reply for each accepted recipient") {
  ServerOptions options = with([](ServerOptions& o) { o.lmtp = true; });
  CHECK(code_of(ask("", kHello, options)) == "500");
  Dialogue dialogue(options);
  CHECK(dialogue.replies == "220 mx.test LMTP Veredus\r\n");
  dialogue.refuse = [](const std::string& event) {
    return event == "rcpt x@b.test" ? Reply{550, {5, 1, 1}, {"no"}} : Reply();
  };
  dialogue.say("LHLO c.test\r\n" + kMail + kRcpt + "RCPT TO:<x@b.test>\r\nRCPT TO:<c@b.test>\r\n" + kRcpt);
  dialogue.say("DATA\r\n");
  CHECK(dialogue.say("hi\r\n.\r\n") == "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n");
  dialogue.say(kMail + kRcpt + "RCPT TO:<c@b.test>\r\n");
  CHECK(count(dialogue.say("BDAT 2 LAST\r\nx\n"), "550 5.6.0") == 2);
}

TEST_CASE("LMTP: replies that differ") {
  ServerOptions options = with([](ServerOptions& o) { o.lmtp = true; });
  ServerMachine machine(options);
  machine.greet(false);
  std::string input = "LHLO c.test\r\n" + kMail + kRcpt + "RCPT TO:<c@b.test>\r\nBDAT 1 LAST\r\nx", out;
  for (bool done = false; !done;) {
    auto advance = machine.advance(input, false);
    if (auto* send = std::get_if<Send>(&advance.step)) out = send->octets;
    input.erase(0, advance.consumed);
    done = std::holds_alternative<NeedInput>(advance.step);
    if (std::holds_alternative<AskEnd>(advance.step))
      machine.accept_each({Reply{250, {2, 0, 0}, {"one"}}, Reply{452, {4, 2, 2}, {"two"}}});
    else
      machine.accept();
  }
  CHECK(out == "250 2.0.0 one\r\n452 4.2.2 two\r\n");
}

TEST_CASE("XCLIENT goes back to the greeting") {
  Dialogue dialogue(with([](ServerOptions& o) { o.xclient = true; }));
  CHECK(dialogue.say(kHello).find("XCLIENT NAME ADDR") != std::string::npos);
  CHECK(dialogue.say("XCLIENT ADDR=192.0.2.1 NAME=[UNAVAILABLE]\r\n") == "220 mx.test ESMTP Veredus\r\n");
  CHECK(dialogue.events.back() == "xclient ADDR=192.0.2.1 NAME=");
  CHECK(code_of(dialogue.say(kMail)) == "503");
  dialogue.say(kHello + kMail);
  CHECK(code_of(dialogue.say("XCLIENT ADDR=192.0.2.1\r\n")) == "503");
}

TEST_CASE("STARTTLS and AUTH when options offer them") {
  Dialogue dialogue(with([](ServerOptions& o) {
    o.starttls = true;
    o.auth_required = true;
    o.auth_mechanisms = {"PLAIN"};
  }));
  CHECK(dialogue.say(kHello).find("STARTTLS\r\n250-AUTH PLAIN") != std::string::npos);
  CHECK(dialogue.say(kMail).starts_with("530 5.7.0"));
  CHECK(code_of(dialogue.say("STARTTLS\r\n")) == "220");
  dialogue.machine.tls_started();
  CHECK(code_of(dialogue.say(kMail)) == "503");
  CHECK(dialogue.say(kHello).find("STARTTLS") == std::string::npos);
  CHECK(code_of(dialogue.say("AUTH LOGIN\r\n")) == "504");
  CHECK(code_of(dialogue.say("AUTH PLAIN AGEAYg==\r\n")) == "235");
  CHECK(code_of(dialogue.say("AUTH PLAIN AGEAYg==\r\n")) == "503");
  CHECK(code_of(dialogue.say(kMail)) == "250");
}

TEST_CASE("mechanisms that wait for TLS are told so; lines of AUTH have their own limits") {
  Dialogue dialogue(with([](ServerOptions& o) {
    o.starttls = true;
    o.auth_mechanisms = {"SCRAM-SHA-256"};
    o.auth_inside_tls = {"SCRAM-SHA-256", "PLAIN"};
    o.auth_line = 100;
  }));
  dialogue.say(kHello);
  CHECK(dialogue.say("AUTH plain AGEAYg==\r\n").starts_with("538 5.7.11"));
  CHECK(code_of(dialogue.say("AUTH LOGIN\r\n")) == "504");
  CHECK(code_of(dialogue.say("AUTH\r\n")) == "501");
  CHECK(dialogue.say("AUTH SCRAM-SHA-256 " + std::string(100, 'A') + "\r\n").starts_with("500 5.5.6"));
  Dialogue none(with([](ServerOptions& o) {
    o.starttls = true;
    o.auth_inside_tls = {"PLAIN"};
  }));
  none.say(kHello);
  CHECK(code_of(none.say("AUTH LOGIN\r\n")) == "538");
}

TEST_CASE("after a refused recipient only the data hears that there is none") {
  Dialogue dialogue;
  dialogue.refuse = [](const std::string& event) { return event.starts_with("rcpt") ? Reply{550, {5, 1, 1}, {"No"}} : Reply(); };
  dialogue.say(kHello + kMail + kRcpt);
  CHECK(dialogue.say(kMail + "STARTTLS\r\n") == "503 5.5.1 Not now, a message is under way\r\n503 5.5.1 Not now, a message is under way\r\n");
  CHECK(dialogue.say("DATA\r\n").starts_with("554 5.5.1"));
}

TEST_CASE("requests of other protocols end the connection") {
  for (const char* line : {"GET / HTTP/1.1\r\n", "post /x HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n", "PATCH / HTTP/1.1\r\n", "\x16\x03\x01\r\n"}) {
    Dialogue dialogue;
    CHECK(dialogue.say(line).starts_with("500 5.5.2"));
    CHECK(dialogue.closed);
  }
}

TEST_CASE("the session may end things at any time") {
  for (const std::string& before : {""s, kHello, kHello + kMail, kUpToData, kUpToData + "half a li",
                                    kHello + kMail + kRcpt + "BDAT 9\r\nx"}) {
    Dialogue dialogue;
    if (!before.empty()) dialogue.say(before);
    dialogue.machine.end(Reply{421, {4, 4, 2}, {"Timeout"}});
    dialogue.say("");
    CHECK(dialogue.replies == "421 4.4.2 Timeout\r\n");
    CHECK(dialogue.closed);
    CHECK(!dialogue.machine.in_transaction());
  }
}

TEST_CASE("however the input is cut, a session sees the same") {
  std::mt19937 random(11);
  const std::vector<std::string> scripts{
      kUpToData + "A: b\r\n\r\n..c\r\n.\r\n" + kMail + kRcpt + "BDAT 5\r\nab\r\nc" +
          "BDAT 3 LAST\r\n.\r\nQUIT\r\n",
      kHello + kMail + kRcpt + "BDAT 3\r\na\rbNOOP\r\nBDAT 2 LAST\r\n\r\nRSET\r\nVRFY x\r\nFOO\r\nQUIT\r\n",
      kUpToData + "x\n.\n" + kMail + "\r\n.\r\nNOOP " + std::string(3000, 'z') + "\r\n" + kHello +
          "BDAT 5\r\nabcdeMAIL\r\nQUIT\r\n",
      kUpToData + std::string(200, 'h') + ": v\r\n\r\n\r\n\0\r\n.\r\nGET / HTTP/1.0\r\n"s,
  };
  for (const std::string& script : scripts) {
    Dialogue whole;
    whole.say(script);
    for (int round = 0; round < 200; ++round) {
      Dialogue cut;
      cut.say_in_pieces(script, [&] { return round == 0 ? 1 : 1 + random() % 40; });
      REQUIRE(cut.transcript() == whole.transcript());
      REQUIRE(cut.transcript().find("WRONG") == std::string::npos);
    }
  }
}
