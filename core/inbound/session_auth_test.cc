// AUTH in a session: what is offered, every way an exchange ends, guessing, who may send as whom, and what submission mends.
#include <doctest/doctest.h>

#include <map>

#include "hooks/hooks_test_support.h"
#include "inbound/session.h"
#include "inbound/test_rig.h"
#include "sasl/base64.h"

using namespace veredus;
using namespace std::string_literals;

namespace {

constexpr uint32_t kAllKinds = 0b11110;

struct FakeAccounts final : AuthPort {
  std::map<std::string, std::string> passwords{{"ann", "pencil"}, {"bob", "pencil"}};
  uint32_t served = kAllKinds;
  bool away = false;
  Event* gate = nullptr;  // answers wait for it
  std::vector<AuthQuestion> asked;

  uint32_t kinds() const override { return served; }
  Task<AuthAnswer> check(Loop&, AuthQuestion question, std::string, Deadline deadline) override {
    asked.push_back(question);
    if (gate) co_await gate->wait(deadline);
    AuthAnswer out;
    if (away) co_return out;
    auto known = passwords.find(question.account);
    bool right = known != passwords.end() && (question.kind == AuthKind::secret || question.secret == known->second);
    out.kind = right ? AuthAnswer::Kind::ok : AuthAnswer::Kind::denied;
    out.account = question.account;
    out.tenant = "acme";
    if (right && question.kind == AuthKind::secret) out.secret = scram_secret(known->second, "0123456789abcdef", 4096);
    co_return out;
  }
};

void laboratory(Settings& settings) { settings.auth.clear_text = true; }

struct AuthRig : Rig {
  FakeAccounts port;
  AuthGuard guard;
  AccountRates rates;
  std::vector<std::shared_ptr<Hook>> hooks;

  explicit AuthRig(const std::function<void(Settings&)>& change = laboratory) : Rig(change), guard(loop, context->settings), rates(loop) {
    listener.role = Role::submission;
    context->auth = &port;
    context->guard = &guard;
    context->accounts = &rates;
  }
  ~AuthRig() { scope.cancel(); }
  void hook(Stage stage, TestHook::Body body, uint32_t may = 0) {
    hooks.push_back(std::make_shared<TestHook>(hook_info("test", stage, may), std::move(body)));
    runner.use(std::make_shared<const HookSet>(hooks));
  }
  bool logged(std::string_view text) const { return sink.text().find(text) != std::string::npos; }
};

std::string b64(std::string_view octets) { return base64_of(octets); }
std::string plain(std::string_view account, std::string_view password) {
  return "AUTH PLAIN " + b64("\0"s + std::string(account) + "\0"s + std::string(password)) + "\r\n";
}

std::string hello(Rig::Client& client) {
  client.read(1);
  return client.say("EHLO client.test\r\n");
}

// Who knows the password; the delay of a wrong one passes.
std::string attempt(AuthRig& rig, Rig::Client& client, const std::string& line) {
  client.send(line);
  size_t before = rig.sink.count("auth.refused") + rig.sink.count("auth.accepted");
  rig.until([&] { return rig.sink.count("auth.refused") + rig.sink.count("auth.accepted") > before; });
  for (int i = 0; i < 4; ++i) rig.turn();
  rig.pass(Seconds(40));
  return client.read(1);
}

}  // namespace

TEST_CASE("what is offered: what providers serve, settings allow and the connection is safe enough for") {
  auto offered = [](AuthRig& rig) {
    Rig::Client client(rig);
    std::string lines = hello(client);
    size_t at = lines.find("250-AUTH ");
    return at == lines.npos ? std::string() : lines.substr(at + 9, lines.find("\r\n", at) - at - 9);
  };
  AuthRig open;
  CHECK(offered(open) == "SCRAM-SHA-256 OAUTHBEARER XOAUTH2 PLAIN LOGIN");
  open.port.served = 1u << static_cast<unsigned>(AuthKind::password);
  CHECK(offered(open) == "PLAIN LOGIN");
  open.port.served = 0;
  CHECK(offered(open).empty());
  open.port.served = kAllKinds;
  open.listener.role = Role::mx;
  CHECK(offered(open).empty());
  AuthRig strict([](Settings&) {});
  CHECK(offered(strict) == "SCRAM-SHA-256");
  AuthRig chosen([](Settings& s) { s.auth.clear_text = true, s.auth.mechanisms = {"LOGIN", "SCRAM-SHA-256-PLUS"}; });
  CHECK(offered(chosen) == "LOGIN");
}

TEST_CASE("who is authenticated may submit, and the message says who") {
  AuthRig rig;
  Rig::Client client(rig);
  hello(client);
  CHECK(client.say("MAIL FROM:<ann@a.test>\r\n").starts_with("530 5.7.0"));
  CHECK(client.say(plain("ann", "pencil")) == "235 2.7.0 Authentication successful\r\n");
  CHECK(client.code(plain("ann", "pencil")) == "503");
  CHECK(client.say("EHLO client.test\r\n").find("AUTH") == std::string::npos);
  CHECK(client.code("MAIL FROM:<ann@a.test> SIZE=999 AUTH=<>\r\n") == "250");
  CHECK(client.code("AUTH LOGIN\r\n") == "503");
  client.say("RCPT TO:<b@far.test>\r\n");
  client.say("DATA\r\n");
  CHECK(client.code("Subject: x\r\n\r\nbody\r\n.\r\n") == "250");
  const Envelope& envelope = rig.queue.added.at(0)->envelope;
  CHECK(envelope.origin.account == "ann");
  CHECK(envelope.origin.mechanism == "PLAIN");
  CHECK(envelope.tenant == "acme");
  CHECK(rig.stored(0).find("with ESMTPA id") != std::string::npos);
  CHECK(rig.sink.count("auth.accepted") == 1);
  CHECK_FALSE(rig.logged("pencil"));
}

TEST_CASE("LOGIN and SCRAM go over several lines") {
  AuthRig rig;
  Rig::Client client(rig);
  hello(client);
  CHECK(client.say("AUTH LOGIN\r\n").starts_with("334 "));
  CHECK(client.say(b64("ann") + "\r\n").starts_with("334 "));
  CHECK(client.code(b64("pencil") + "\r\n") == "235");
  Rig::Client other(rig);
  hello(other);
  SaslCredentials credentials;
  credentials.account = "bob", credentials.password = "pencil";
  auto scram = SaslClient::make("SCRAM-SHA-256", credentials, "mx.test", 587, {});
  std::string reply = other.say("AUTH scram-sha-256 " + b64(*scram->initial()) + "\r\n");
  while (reply.starts_with("334 ")) reply = other.say(b64(*scram->answer(*octets_of_base64(reply.substr(4, reply.size() - 6)))) + "\r\n");
  CHECK(reply.starts_with("235"));
  CHECK(scram->finish().ok());
}

TEST_CASE("a wrong password and an unknown account look the same and take the same time") {
  AuthRig rig;
  std::vector<std::string> replies;
  for (const char* name : {"ann", "nobody"}) {
    Rig::Client client(rig, name == "ann"s ? "127.0.0.1" : "127.0.0.2");
    hello(client);
    client.send(plain(name, "guesswork"));
    rig.until([&] { return rig.logged(name); });
    for (int i = 0; i < 4; ++i) rig.turn();
    rig.pass(Millis(900));
    CHECK(client.read(0).empty());
    rig.pass(Millis(101));
    replies.push_back(client.read(1));
  }
  CHECK(replies[0] == "535 5.7.8 Authentication credentials invalid\r\n");
  CHECK(replies[0] == replies[1]);
  CHECK_FALSE(rig.logged("guesswork"));
  CHECK(rig.guard.remembered() == 4);
}

TEST_CASE("after too many failures nobody is asked, also about the right password, until the time is over") {
  AuthRig rig([](Settings& s) { s.auth.clear_text = true, s.auth.failures = 3, s.auth.failure_period = Seconds(3600); });
  Rig::Client client(rig);
  hello(client);
  for (int i = 0; i < 3; ++i) CHECK(attempt(rig, client, plain("ann", "guess")).starts_with("535 5.7.8"));
  size_t asked = rig.port.asked.size();
  CHECK(client.say(plain("ann", "pencil")).starts_with("454 4.7.0 Too many failed attempts"));
  CHECK(client.say(plain("bob", "pencil")).starts_with("421 4.7.0 "));
  CHECK(client.closes());
  Rig::Client elsewhere(rig, "127.0.0.2");
  hello(elsewhere);
  CHECK(elsewhere.code(plain("ann", "pencil")) == "454");  // the account is known
  CHECK(rig.port.asked.size() == asked);
  CHECK(elsewhere.code(plain("bob", "pencil")) == "235");
  rig.pass(Seconds(3601));
  Rig::Client later(rig);
  hello(later);
  CHECK(later.code(plain("ann", "pencil")) == "235");
}

TEST_CASE("guesses side by side are asked about as often as may fail, and no more; those who know the password all come in") {
  for (bool right : {false, true}) {
    AuthRig rig([](Settings& s) { s.auth.clear_text = true, s.auth.failures = 3; });
    Event gate(rig.loop);
    rig.port.gate = &gate;
    constexpr const char* kPlaces[] = {"127.0.0.10", "127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14", "127.0.0.15", "127.0.0.16", "127.0.0.17"};
    std::vector<std::unique_ptr<Rig::Client>> clients;
    for (int i = 0; i < 8; ++i) {
      clients.push_back(std::make_unique<Rig::Client>(rig, kPlaces[i]));
      hello(*clients.back());
      clients.back()->send(plain("ann", right ? "pencil" : "guess" + std::to_string(i)));
    }
    rig.until([&] { return rig.port.asked.size() >= 3; });
    for (int i = 0; i < 20; ++i) rig.turn();
    CHECK(rig.port.asked.size() == 3);
    gate.set();
    rig.until([&] { return rig.sink.count(right ? "auth.accepted" : "auth.refused") == 8; });
    CHECK(rig.port.asked.size() == (right ? 8 : 3));
    rig.until([&] { return rig.guard.in_flight() == 0; });
    if (right) continue;
    rig.pass(Seconds(40));
    std::string codes;
    for (auto& client : clients) codes += client->read(1).substr(0, 3) + " ";
    CHECK(codes == "535 535 535 454 454 454 454 454 ");
  }
}

TEST_CASE("exchanges of SCRAM that were begun before the failures are looked at when they end") {
  AuthRig rig([](Settings& s) { s.auth.failures = 2; });
  SaslCredentials credentials;
  credentials.account = "ann", credentials.password = "guess";
  std::vector<std::pair<std::unique_ptr<Rig::Client>, std::string>> proofs;
  for (int i = 0; i < 5; ++i) {
    auto client = std::make_unique<Rig::Client>(rig);
    hello(*client);
    auto scram = SaslClient::make("SCRAM-SHA-256", credentials, "mx.test", 587, {});
    std::string reply = client->say("AUTH SCRAM-SHA-256 " + b64(*scram->initial()) + "\r\n");
    REQUIRE(reply.starts_with("334 "));
    proofs.emplace_back(std::move(client), b64(*scram->answer(*octets_of_base64(reply.substr(4, reply.size() - 6)))) + "\r\n");
  }
  std::string codes;
  for (auto& [client, proof] : proofs) codes += attempt(rig, *client, proof).substr(0, 3) + " ";
  CHECK(codes == "535 535 454 454 454 ");
  CHECK(rig.guard.in_flight() == 0);
}

TEST_CASE("a client that leaves while its guess is looked at leaves nothing behind") {
  AuthRig rig([](Settings& s) { s.auth.clear_text = true, s.auth.failures = 1; });
  Event gate(rig.loop);
  rig.port.gate = &gate;
  {
    Rig::Client client(rig);
    hello(client);
    client.send(plain("ann", "pencil"));
    rig.until([&] { return rig.guard.in_flight() == 2; });
  }
  gate.set();
  rig.until([&] { return rig.guard.in_flight() == 0; });
  Rig::Client other(rig);
  hello(other);
  CHECK(other.code(plain("ann", "pencil")) == "235");
}

TEST_CASE("a wrong token counts, also when the client never acknowledges it") {
  AuthRig rig;
  Rig::Client client(rig);
  hello(client);
  client.send("AUTH OAUTHBEARER " + b64("n,a=ann,\1auth=Bearer wrong\1\1") + "\r\n");
  rig.until([&] { return rig.guard.remembered() > 0; });
  for (int i = 0; i < 4; ++i) rig.turn();
  rig.pass(Seconds(2));
  CHECK(client.read(1).starts_with("334 "));
  CHECK(client.code("*\r\n") == "501");
  CHECK(rig.guard.remembered() == 2);
  client.send("AUTH OAUTHBEARER " + b64("n,a=ann,\1auth=Bearer wrong\1\1") + "\r\n");
  for (int i = 0; i < 10; ++i) rig.turn();
  rig.pass(Seconds(3));  // twice as long as before, not four times
  CHECK(client.read(1).starts_with("334 "));
  CHECK(client.code(b64("\1") + "\r\n") == "535");
  CHECK_FALSE(rig.logged("Bearer"));
}

TEST_CASE("what makes no sense gets its own reply, and is no guess") {
  AuthRig rig([](Settings& s) { s.auth.clear_text = true, s.limits.auth_line = 500; });
  Rig::Client client(rig);
  hello(client);
  CHECK(client.say("AUTH PLAIN ????\r\n").starts_with("501 5.5.2"));
  CHECK(client.say("AUTH PLAIN =\r\n").starts_with("501 5.5.2"));
  client.say("AUTH PLAIN\r\n");
  CHECK(client.say("no base64\r\n").starts_with("501 5.5.2"));
  client.say("AUTH LOGIN\r\n");
  CHECK(client.say("*\r\n").starts_with("501 5.0.0"));
  CHECK(client.say("AUTH PLAIN " + std::string(600, 'A') + "\r\n").starts_with("500 5.5.6"));
  client.say("AUTH PLAIN\r\n");
  CHECK(client.say(std::string(600, 'A') + "\r\n").starts_with("500 5.5.6"));
  client.say("AUTH PLAIN\r\n");
  CHECK(client.say(b64("\0ann\0pencil"s) + "\n").starts_with("500 5.5.2"));  // a line ends with CRLF, also here
  for (const std::string& octets : {"\0a\0n\0pencil"s, "\0\0pencil"s, "ann"s, ""s})
    CHECK(client.say("AUTH PLAIN " + b64(octets) + "\r\n").substr(0, 7) == (octets.empty() ? "334 \r\n"s.substr(0, 7) : "501 5.5"s));
  CHECK(rig.port.asked.empty());
  CHECK(rig.guard.remembered() == 0);
}

TEST_CASE("a provider that is away is nobody's fault") {
  AuthRig rig;
  rig.port.away = true;
  Rig::Client client(rig);
  hello(client);
  CHECK(client.say(plain("ann", "pencil")).starts_with("454 4.7.0"));
  CHECK(rig.guard.remembered() == 0);
  rig.port.away = false;
  CHECK(client.code(plain("ann", "pencil")) == "235");
}

TEST_CASE("hooks have the last word on an account, and what they note lasts for the connection") {
  AuthRig rig;
  rig.hook(Stage::auth, [](HookCall& call) {
    if (call.subject().origin->account == "bob") return verdict(Action::reject, {535, {5, 7, 8}, {"Not you"}});
    call.edits().push_back(AddNote{"plan", "gold"});
    return Verdict();
  }, kMayNotes);
  Rig::Client client(rig);
  hello(client);
  CHECK(attempt(rig, client, plain("bob", "pencil")) == "535 5.7.8 Not you\r\n");
  CHECK(client.say("MAIL FROM:<bob@a.test>\r\n").starts_with("530 "));
  CHECK(client.code(plain("ann", "pencil")) == "235");
  for (int i = 0; i < 2; ++i) CHECK(client.send_message("Subject: x\r\n\r\nx\r\n", "b@far.test").starts_with("250"));
  CHECK(rig.queue.added.at(1)->envelope.notes == Notes{{"plan", "gold"}});
  CHECK(rig.guard.remembered() == 0);
}

TEST_CASE("an account sends as whom it may, from and to whole domains, so much an hour") {
  AuthRig rig([](Settings& s) {
    s.auth.clear_text = true;
    s.auth.senders = {{"ann@a.test", {"ann"}}, {"@a.test", {"bob"}}};
    s.submission.account_message_rate = 3;
    s.submission.account_recipient_rate = 2;
  });
  Rig::Client client(rig);
  hello(client);
  client.say(plain("bob", "pencil"));
  CHECK(client.say("MAIL FROM:<ann@a.test>\r\n") == "553 5.7.1 Sender address is not yours\r\n");
  CHECK(client.code("MAIL FROM:<\"ann\"@A.TEST>\r\n") == "553");  // the same address
  CHECK(client.say("MAIL FROM:<bob@intranet>\r\n").starts_with("554 5.1.8"));
  CHECK(client.code("MAIL FROM:<>\r\n") == "250");
  CHECK(client.say("RCPT TO:<root@host>\r\n").starts_with("554 5.1.2"));
  CHECK(client.code("RCPT TO:<postmaster>\r\n") == "250");
  CHECK(client.code("RCPT TO:<u@[192.0.2.1]>\r\n") == "250");
  CHECK(client.say("RCPT TO:<v@far.test>\r\n").starts_with("450 4.7.1"));
  client.say("RSET\r\n");
  for (int i = 0; i < 2; ++i) CHECK(client.code("MAIL FROM:<x@a.test>\r\n") + client.code("RSET\r\n") == "250250");
  CHECK(client.say("MAIL FROM:<x@a.test>\r\n").starts_with("450 4.7.1"));
  CHECK(rig.sink.count("sender.refused") == 2);
}

TEST_CASE("hooks of 'message' see what was mended, and the size that was announced") {
  AuthRig rig;
  std::string seen;
  uint64_t announced = 0;
  rig.hook(Stage::message, [&](HookCall& call) {
    const Content& content = *call.subject().content;
    seen = content.head + content.memory->substr(content.skip);
    announced = call.subject().declared_size;
    return Verdict();
  });
  Rig::Client client(rig);
  hello(client);
  client.say(plain("ann", "pencil"));
  client.say("MAIL FROM:<ann@a.test> SIZE=77\r\nRCPT TO:<b@far.test>\r\n", 2);
  client.say("DATA\r\n");
  CHECK(client.code("Bcc: x@secret.test\r\nSubject: x\r\n\r\nbody\r\n.\r\n") == "250");
  CHECK(seen.find("secret.test") == std::string::npos);
  CHECK(seen.find("\r\nFrom: ann@a.test\r\n") != std::string::npos);
  CHECK(seen == rig.stored(0));
  CHECK(announced == 77);
}

TEST_CASE("From must be the account's when settings say so") {
  AuthRig rig([](Settings& s) {
    s.auth.clear_text = true;
    s.auth.senders = {{"@a.test", {"ann"}}};
    s.auth.unlisted_senders = UnlistedSender::refuse;
    s.submission.check_from = true;
    s.spool.inline_size = 100;
  });
  Rig::Client client(rig);
  hello(client);
  client.say(plain("ann", "pencil"));
  auto sent = [&](const std::string& header) {
    client.say("MAIL FROM:<ann@a.test>\r\nRCPT TO:<b@far.test>\r\n", 2);
    client.say("DATA\r\n");
    return client.say(header + "\r\n" + std::string(500, 'x') + "\r\n.\r\n").substr(0, 9);  // beyond what stays in memory
  };
  CHECK(sent("From: Ann <ann@a.test>\r\n").starts_with("250"));
  CHECK(sent("From: ann@a.test, boss@b.test\r\n") == "550 5.7.1");
  CHECK(sent("From: ann@a.test\r\nFROM: boss@b.test\r\n") == "550 5.7.1");
  CHECK(sent("From: nonsense\r\n") == "550 5.7.1");
  CHECK(sent("Subject: x\r\n").starts_with("250"));
  CHECK(rig.queue.added.size() == 2);
}

TEST_CASE("XCLIENT takes what the account had with it") {
  AuthRig rig([](Settings& s) { s.auth.clear_text = true, s.xclient_networks = {*Network::parse("127.0.0.1/32")}; });
  Rig::Client client(rig);
  hello(client);
  client.say(plain("ann", "pencil"));
  CHECK(client.code("XCLIENT LOGIN=[UNAVAILABLE]\r\n") == "220");
  client.say("EHLO client.test\r\n");
  CHECK(client.code("MAIL FROM:<ann@a.test>\r\n") == "530");
  CHECK(client.code("XCLIENT LOGIN=carl\r\n") == "220");
  client.say("EHLO client.test\r\n");
  CHECK(client.send_message("Subject: x\r\n\r\nx\r\n", "b@far.test").starts_with("250"));
  const Envelope& envelope = rig.queue.added.at(0)->envelope;
  CHECK(envelope.origin.account == "carl");
  CHECK(envelope.origin.mechanism.empty());
  CHECK(envelope.tenant.empty());
}
