// Sessions over loopback: acceptance, durability before 250, roles and relay rules, spilling, failures of the
// spool, vanishing clients.
#include "inbound/session.h"

#include "inbound/test_rig.h"
#include "net/fake_resolver.h"

using namespace veredus;

namespace {

const std::string kMessage = "Subject: x\r\n\r\nbody\r\n";

std::string hello(Rig::Client& client) {
  client.read(1);
  return client.say("EHLO client.test\r\n");
}

Task<void> read_back(Rig& rig, std::shared_ptr<LargeBody> file, std::string& out) {
  auto read = co_await rig.spool.read_body(rig.loop, file, 0, file->size());
  if (read) out = *read;
}

}  // namespace

TEST_CASE("a message is stored with one Received field in front and nothing else changed") {
  Rig rig;
  Rig::Client client(rig);
  CHECK(client.read(1) == "220 mx.test ESMTP Veredus\r\n");
  CHECK(client.say("EHLO client.test\r\n").find("250-PIPELINING") != std::string::npos);
  std::string reply = client.send_message(kMessage);
  CHECK(reply.starts_with("250 2.0.0 Ok: queued as "));
  REQUIRE(rig.queue.added.size() == 1);
  const Message& message = *rig.queue.added[0];
  CHECK(reply == "250 2.0.0 Ok: queued as " + message.envelope.id.text() + "\r\n");
  CHECK(rig.spool.message_count() == 1);
  CHECK(*message.content.memory == kMessage);
  CHECK(message.content.head.starts_with("Received: from client.test ([127.0.0.1])"));
  CHECK(message.envelope.sender.text() == "a@a.test");
  CHECK(message.envelope.recipients[0].address.text() == "b@here.test");
  CHECK(message.envelope.origin.helo == "client.test");
  CHECK(message.envelope.origin.protocol == Protocol::esmtp);
  CHECK(client.say("QUIT\r\n") == "221 2.0.0 Bye\r\n");
  CHECK(client.closes());
  CHECK(rig.sink.count("message.accepted") == 1);
  CHECK(rig.context->counters.messages_accepted == 1);
  CHECK(rig.memory.used() == 0);
}

TEST_CASE("250 comes only after the spool has answered") {
  Rig rig;
  Rig::Client client(rig);
  hello(client);
  rig.spool.pause_durability();
  client.say("MAIL FROM:<a@a.test>\r\nRCPT TO:<b@here.test>\r\n", 2);
  client.say("DATA\r\n");
  client.send(kMessage + ".\r\n");
  for (int i = 0; i < 20; ++i) rig.turn();
  CHECK(rig.queue.added.empty());
  rig.spool.resume_durability();
  CHECK(client.read(1).starts_with("250 2.0.0 Ok: queued as"));
  CHECK(rig.queue.added.size() == 1);
}

TEST_CASE("pipelined transactions are answered in order") {
  Rig rig;
  Rig::Client client(rig);
  hello(client);
  std::string group = "MAIL FROM:<a@a.test>\r\nRCPT TO:<b@here.test>\r\nRCPT TO:<c@here.test>\r\nBDAT " +
                      std::to_string(kMessage.size()) + " LAST\r\n" + kMessage;
  std::string replies = client.say(group + group + "QUIT\r\n", 9);
  CHECK(replies.ends_with("221 2.0.0 Bye\r\n"));
  CHECK(rig.queue.added.size() == 2);
  CHECK(rig.queue.added[1]->envelope.recipients.size() == 2);
}

TEST_CASE("spool trouble is a temporary refusal and nothing is queued") {
  Rig rig;
  Rig::Client client(rig);
  hello(client);
  rig.spool.fail_stores(fail(Errc::no_space, "full"));
  CHECK(client.send_message(kMessage).starts_with("452 4.3.1"));
  rig.spool.fail_stores(fail(Errc::io, "bad disk"));
  CHECK(client.send_message(kMessage).starts_with("451 4.3.0"));
  rig.spool.fail_stores(std::nullopt);
  rig.spool.refuse(fail(Errc::no_space, "full"));
  CHECK(client.say("MAIL FROM:<a@a.test>\r\n").starts_with("452 4.3.1"));
  rig.spool.refuse(std::nullopt);
  CHECK(rig.queue.added.empty());
  CHECK(client.send_message(kMessage).starts_with("250"));
  CHECK(rig.context->counters.messages_not_stored == 2);
}

TEST_CASE("a large message goes to a file of the spool, octet for octet") {
  Rig rig([](Settings& s) { s.spool.inline_size = 10'000; });
  Rig::Client client(rig);
  hello(client);
  std::string large = "Subject: large\r\n\r\n";
  for (int i = 0; large.size() < 700'000; ++i)
    large += "line " + std::to_string(i) + " of a large message\r\n";
  CHECK(client.send_message(large).starts_with("250"));
  const Content& content = rig.queue.added.at(0)->content;
  REQUIRE(content.file);
  CHECK(content.file->size() == large.size());
  CHECK(content.size() == content.head.size() + large.size());
  std::string back;
  rig.scope.spawn(read_back(rig, content.file, back));
  CHECK(rig.until([&] { return !back.empty(); }));
  CHECK(back == large);
  CHECK(rig.context->counters.spilled == 1);
  CHECK(rig.memory.used() == 0);
}

TEST_CASE("when memory is short messages spill earlier, and headers wait for better times") {
  Rig rig([](Settings& s) { s.limits.memory = 20'000; });
  Rig::Client client(rig);
  hello(client);
  std::string medium = kMessage + std::string(30'000, 'x') + "\r\n";
  CHECK(client.send_message(medium).starts_with("250"));
  CHECK(rig.context->counters.spilled == 1);
  std::string wide = "X: " + std::string(30'000, 'y') + "\r\n\r\nb\r\n";
  CHECK(client.send_message(wide).starts_with("452 4.3.1"));
  CHECK(client.send_message(kMessage).starts_with("250"));
  CHECK(rig.memory.used() == 0);
}

TEST_CASE("mx: relay domains from anyone, everything from relay networks, postmaster always") {
  Rig rig;
  Rig::Client stranger(rig, "127.0.0.2");
  hello(stranger);
  stranger.say("MAIL FROM:<a@a.test>\r\n");
  CHECK(stranger.say("RCPT TO:<x@elsewhere.test>\r\n") == "550 5.7.1 Relaying denied\r\n");
  CHECK(stranger.say("RCPT TO:<x@sub.here.test>\r\n").starts_with("550 5.7.1"));
  CHECK(stranger.code("RCPT TO:<x@HERE.test>\r\n") == "250");
  CHECK(stranger.code("RCPT TO:<postmaster>\r\n") == "250");
  CHECK(stranger.code("RCPT TO:<Postmaster@[127.0.0.1]>\r\n") == "250");
  CHECK(stranger.say("RCPT TO:<root@[127.0.0.1]>\r\n").starts_with("550 5.7.1"));
  stranger.code("DATA\r\n");
  CHECK(stranger.say(kMessage + ".\r\n").starts_with("250"));
  const Envelope& envelope = rig.queue.added.at(0)->envelope;
  REQUIRE(envelope.recipients.size() == 2);
  CHECK(envelope.recipients[1].address.text() == "admin@mx.test");
  CHECK(envelope.recipients[1].original.text() == "postmaster");
  Rig::Client friendly(rig);
  hello(friendly);
  CHECK(friendly.send_message(kMessage, "x@elsewhere.test").starts_with("250"));
}

TEST_CASE("relay and submission listeners") {
  Rig rig;
  rig.listener.role = Role::relay;
  Rig::Client stranger(rig, "127.0.0.2");
  hello(stranger);
  stranger.say("MAIL FROM:<a@a.test>\r\n");
  CHECK(stranger.say("RCPT TO:<x@here.test>\r\n").starts_with("550 5.7.1"));
  CHECK(stranger.code("RCPT TO:<postmaster>\r\n") == "250");
  rig.listener.role = Role::submission;
  Rig::Client submitter(rig);
  hello(submitter);
  CHECK(submitter.say("MAIL FROM:<a@a.test>\r\n").starts_with("530 5.7.0"));
}

TEST_CASE("lmtp: one reply a recipient") {
  Rig rig;
  rig.listener.role = Role::lmtp;
  Rig::Client client(rig);
  CHECK(client.read(1) == "220 mx.test LMTP Veredus\r\n");
  CHECK(client.code("EHLO x\r\n") == "500");
  CHECK(client.code("LHLO x\r\n") == "250");
  client.say("MAIL FROM:<>\r\nRCPT TO:<b@here.test>\r\nRCPT TO:<c@here.test>\r\n", 3);
  client.say("DATA\r\n");
  std::string replies = client.say(kMessage + ".\r\n", 2);
  std::string one = "250 2.0.0 Ok: queued as " + rig.queue.added.at(0)->envelope.id.text() + "\r\n";
  CHECK(replies == one + one);
  CHECK(rig.queue.added[0]->envelope.origin.protocol == Protocol::lmtp);
}

TEST_CASE("smuggling at the session: refused, nothing stored, the session goes on") {
  Rig rig;
  Rig::Client client(rig);
  hello(client);
  CHECK(client.send_message("x\r\n\r\nabc\n.\nMAIL FROM:<evil@a.test>\r\n").starts_with("550 5.6.0"));
  CHECK(client.send_message("x\r\n\r\nabc\n.\r\nMAIL FROM:<evil@a.test>\r\n").starts_with("550 5.6.0"));
  CHECK(client.send_message(kMessage).starts_with("250"));
  CHECK(rig.queue.added.size() == 1);
}

TEST_CASE("normalising only where settings say") {
  Rig rig([](Settings& s) {
    s.bare_newlines = BareNewlines::normalise;
    s.normalise_networks = {*Network::parse("127.0.0.1/32")};
  });
  Rig::Client trusted(rig);
  hello(trusted);
  CHECK(trusted.send_message("A: b\n\nbody\r\n").starts_with("250"));
  CHECK(*rig.queue.added.at(0)->content.memory == "A: b\r\n\r\nbody\r\n");
  Rig::Client other(rig, "127.0.0.2");
  hello(other);
  CHECK(other.send_message("A: b\n\nbody\r\n").starts_with("550 5.6.0"));
}

TEST_CASE("the field TLS-Required: No is noted in every spelling, and nothing else is") {
  const std::pair<const char*, bool> cases[] = {{"TLS-Required: No", true}, {"tls-required:\r\n  no ", true}, {"Subject: a\r\nTls-Required:NO", true},
                                                {"TLS-Required: Yes", false}, {"TLS-Required: No, really", false}, {"X-TLS-Required: No", false},
                                                {"Subject: a\r\n TLS-Required: No", false}, {"TLS-Required-Not: No", false}};
  for (const auto& [field, noted] : cases) {
    CAPTURE(field);
    Rig rig;
    Rig::Client client(rig);
    hello(client);
    CHECK(client.send_message(std::string(field) + "\r\n\r\nx\r\n").starts_with("250"));
    CHECK((find_note(rig.queue.added.at(0)->envelope.notes, kTlsRequiredNote) != nullptr) == noted);
  }
}

TEST_CASE("a loop is broken by counting Received fields") {
  Rig rig([](Settings& s) { s.limits.received_hops = 3; });
  Rig::Client client(rig);
  hello(client);
  std::string hop = "Received: from a by b; now\r\n";
  CHECK(client.send_message(hop + hop + hop + kMessage).starts_with("250"));
  CHECK(client.send_message(hop + hop + hop + "received: x\r\n" + kMessage).starts_with("550 5.4.6"));
  CHECK(rig.sink.count("message.loop") == 1);
  CHECK(rig.queue.added.size() == 1);
}

TEST_CASE("clients that vanish at any point leave nothing behind") {
  const std::string all = "EHLO c.test\r\nMAIL FROM:<a@a.test>\r\nRCPT TO:<b@here.test>\r\nBDAT 20000\r\n" +
                          kMessage + std::string(15'000, 'x');
  for (size_t cut : {size_t{0}, size_t{5}, size_t{13}, size_t{30}, size_t{60}, size_t{80}, all.size()}) {
    Rig rig([](Settings& s) { s.spool.inline_size = 5'000; });
    Rig::Client client(rig);
    client.read(1);
    client.send(all.substr(0, std::min<size_t>(cut, 13)));
    if (cut > 13) client.read(1);
    if (cut > 13) client.send(all.substr(13, cut - 13));
    for (int i = 0; i < 5; ++i) rig.turn();
    client.hang_up();
    CHECK(rig.until([&] { return rig.scope.running() == 0; }));
    CHECK(rig.memory.used() == 0);
    CHECK(rig.queue.added.empty());
    CHECK(rig.context->counters.sessions == 0);
    CHECK(rig.sink.count("message.aborted") == (cut > all.find("Subject") ? 1 : 0));
  }
}

TEST_CASE("early talkers are shown out: before the banner, after EHLO, with DATA") {
  Rig rig;
  Rig::Client first(rig, "127.0.0.1", false, "EHLO x\r\n");
  CHECK(first.read(1).starts_with("503 5.5.1"));
  CHECK(first.closes());
  Rig::Client second(rig);
  second.read(1);
  CHECK(second.say("EHLO x\r\nMAIL FROM:<a@a.test>\r\n").starts_with("503 5.5.1"));
  CHECK(second.closes());
  Rig::Client third(rig);
  hello(third);
  std::string replies =
      third.say("MAIL FROM:<a@a.test>\r\nRCPT TO:<b@here.test>\r\nDATA\r\n" + kMessage + ".\r\n", 3);
  CHECK(replies.find("503 5.5.1") != std::string::npos);
  CHECK(third.closes());
  CHECK(rig.queue.added.empty());
  CHECK(rig.until([&] { return rig.context->counters.early_talkers == 3; }));
  CHECK(rig.sink.count("session.early_talker") == 3);
}

TEST_CASE("PROXY: the client behind a trusted balancer; nobody else may claim one") {
  auto change = [](Settings& s) { s.proxy_networks = {*Network::parse("127.0.0.1/32")}; };
  Rig rig(change);
  rig.listener.proxy = true;
  Rig::Client client(rig);
  client.send("PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n");
  CHECK(client.read(1).starts_with("220"));
  client.say("EHLO c.test\r\nMAIL FROM:<a@a.test>\r\n", 2);
  Rig::Client outsider(rig);
  outsider.send("PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n");
  outsider.read(1);
  outsider.say("EHLO c.test\r\n");
  outsider.say("MAIL FROM:<a@a.test>\r\n");
  CHECK(outsider.say("RCPT TO:<x@elsewhere.test>\r\n").starts_with("550 5.7.1"));
  CHECK(outsider.code("RCPT TO:<postmaster@[192.0.2.1]>\r\n") == "250");
  Rig::Client liar(rig, "127.0.0.2");
  liar.send("PROXY TCP4 127.0.0.1 192.0.2.1 4711 25\r\n");
  CHECK(liar.closes());
  Rig::Client none(rig);
  none.send("EHLO x\r\n");
  CHECK(none.closes());
  CHECK(rig.until([&] { return rig.sink.count("session.proxy_failed") == 2; }));
}

TEST_CASE("XCLIENT changes who the client is, and what it may do") {
  Rig rig([](Settings& s) { s.xclient_networks = {*Network::parse("127.0.0.1/32")}; });
  Rig::Client client(rig);
  CHECK(hello(client).find("250-XCLIENT") != std::string::npos);
  CHECK(client.say("XCLIENT ADDR=192.0.2.9 NAME=far.test PORT=99999\r\n").starts_with("501"));
  CHECK(client.say("XCLIENT ADDR=192.0.2.9 NAME=far.test\r\n").starts_with("220 mx.test"));
  client.say("EHLO far.test\r\n");
  client.say("MAIL FROM:<a@a.test>\r\n");
  CHECK(client.say("RCPT TO:<x@elsewhere.test>\r\n").starts_with("550 5.7.1"));
  client.say("RSET\r\n");
  CHECK(client.send_message(kMessage).starts_with("250"));
  CHECK(rig.queue.added.at(0)->content.head.find("(far.test [192.0.2.9])") != std::string::npos);
  Rig::Client other(rig, "127.0.0.2");
  hello(other);
  CHECK(other.code("XCLIENT ADDR=127.0.0.1\r\n") == "550");
}

TEST_CASE("ptr_lookup: a client's name counts if it leads back to the address") {
  Rig rig([](Settings& s) { s.ptr_lookup = true; });
  FakeResolver resolver(rig.loop);
  rig.context->resolver = &resolver;
  resolver.add_ptr("1.0.0.127.in-addr.arpa", "real.test");
  resolver.add_a("real.test", "127.0.0.1");
  resolver.add_ptr("2.0.0.127.in-addr.arpa", "real.test");
  Rig::Client known(rig);
  hello(known);
  CHECK(known.send_message(kMessage).starts_with("250"));
  CHECK(rig.queue.added.at(0)->content.head.find("(real.test [127.0.0.1])") != std::string::npos);
  Rig::Client pretender(rig, "127.0.0.2"), nameless(rig, "127.0.0.3");
  for (Rig::Client* client : {&pretender, &nameless}) {
    hello(*client);
    CHECK(client->send_message(kMessage).starts_with("250"));
    CHECK(rig.queue.added.back()->content.head.find("real.test") == std::string::npos);
  }
}

TEST_CASE("the last reply reaches a client that still sends") {
  Rig rig([](Settings& s) { s.limits.errors = 3; });
  Rig::Client client(rig);
  hello(client);
  std::string much;
  for (int i = 0; i < 20'000; ++i) much += "NONSENSE\r\n";
  client.send(much);
  CHECK(client.read(1000).find("421 4.7.0") != std::string::npos);
  CHECK(client.closes());
}

TEST_CASE("an idle client is told 421 when the daemon stops, and is not waited for") {
  Rig rig;
  Rig::Client idle(rig);
  hello(idle);
  rig.context->stop();
  CHECK(rig.until([&] { return rig.scope.running() == 0; }));
  CHECK(idle.read(1).starts_with("421 4.3.2"));
}
