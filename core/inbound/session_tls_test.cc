// TLS in a session: one reset of everything said before, nothing that was said in clear counts, and an end without a word in clear when
// the handshake fails.
#include <doctest/doctest.h>

#include "hooks/hooks_test_support.h"
#include "inbound/session.h"
#include "inbound/test_rig.h"
#include "net/tls_test_support.h"

using namespace veredus;
using namespace veredus::testing;

namespace {

struct TlsRig : Rig {
  RealClock real;  // certificates live in real time
  CertificateFiles files;
  std::vector<std::shared_ptr<Hook>> hooks;

  explicit TlsRig(const std::function<void(Settings&)>& change = [](Settings&) {}) : Rig(change) {
    static const MadeCertificate made = make_certificate({});
    TlsServerOptions options;
    options.certificates.push_back({files.put("a.pem", made.cert_pem), files.put("a.key", made.key_pem), {}});
    options.ask_client = true;
    auto server = TlsServer::make(std::move(options), nullptr, {}, real);
    REQUIRE(server.ok());
    context->tls = *server;
    listener.tls = ListenerTls::starttls;
  }
  ~TlsRig() { scope.cancel(); }
  void hook(Stage stage, TestHook::Body body, uint32_t may = 0) {
    hooks.push_back(std::make_shared<TestHook>(hook_info("test", stage, may), std::move(body)));
    runner.use(std::make_shared<const HookSet>(hooks));
  }
};

// A client's side of TLS on the same loop.
class Encrypted {
 public:
  Encrypted(Rig& rig, int fd, std::string sni = "mx.test") : rig_(rig), scope_(rig.loop) {
    auto plain = adopt_stream(rig.loop, fd);
    REQUIRE(plain.ok());
    TlsClientOptions options;
    options.sni = std::move(sni);
    scope_.spawn(open(std::move(*plain), std::move(options)));
    rig.until([&] { return scope_.running() == 0; });
    if (stream) scope_.spawn(receive());
  }
  ~Encrypted() {
    scope_.cancel();
    stream.reset();
    rig_.turn();
  }
  std::string say(std::string octets, size_t replies = 1) {
    scope_.spawn(send(std::move(octets)));
    return read(replies);
  }
  std::string read(size_t replies = 1) {
    rig_.until([&] { return ended || complete() >= replies; });
    return std::exchange(text_, {});
  }
  std::string code(std::string octets) { return say(std::move(octets)).substr(0, 3); }

  std::unique_ptr<Stream> stream;
  std::string error;
  bool ended = false;

 private:
  Task<void> open(std::unique_ptr<Stream> plain, TlsClientOptions options) {
    auto opened = co_await tls_connect(rig_.loop, std::move(plain), std::move(options), Deadline::never());
    if (opened) stream = std::move(*opened);
    else error = opened.error().text;
  }
  Task<void> receive() {
    for (;;) {
      auto got = co_await stream->fill(Deadline::never());
      if (!got || *got == 0) break;
      text_ += stream->buffered();
      stream->consume(stream->buffered().size());
    }
    ended = true;
  }
  Task<void> send(std::string octets) {
    auto sent = co_await stream->write(std::move(octets), Deadline::never());
    ended = ended || !sent;
  }
  size_t complete() const {
    size_t count = 0;
    for (size_t at = 0, end; (end = text_.find("\r\n", at)) != text_.npos; at = end + 2) count += text_[at + 3] == ' ';
    return count;
  }

  Rig& rig_;
  Scope scope_;
  std::string text_;
};

int started(Rig::Client& client) {
  client.read(1);
  client.say("EHLO before.test\r\n");
  REQUIRE(client.code("STARTTLS\r\n") == "220");
  return client.take_socket();
}

}  // namespace

TEST_CASE("STARTTLS forgets what was said before, and only that") {
  TlsRig rig;
  std::vector<std::string> told;
  rig.hook(Stage::connect, [](HookCall& call) { return call.edits().push_back(AddNote{"from", "connect"}), Verdict(); }, kMayNotes);
  rig.hook(Stage::helo, [](HookCall& call) {
    if (call.subject().origin->helo == "before.test") call.edits().push_back(AddNote{"helo", "before"});
    return Verdict();
  }, kMayNotes);
  for (Stage stage : {Stage::starttls, Stage::tls_done})
    rig.hook(stage, [&told](HookCall& call) {
      const Subject& shown = call.subject();
      std::string line(stage_info(call.stage()).name);
      line += " " + shown.origin->tls_sni + " " + shown.origin->helo;
      for (const auto& [name, value] : *shown.connection_notes) line += " " + name + "=" + value;
      return told.push_back(line), Verdict();
    });
  Rig::Client clear(rig);
  Encrypted client(rig, started(clear));
  REQUIRE(client.stream);
  CHECK(client.code("MAIL FROM:<a@a.test>\r\n") == "503");
  std::string lines = client.say("EHLO after.test\r\n");
  CHECK(lines.find("STARTTLS") == std::string::npos);
  CHECK(lines.find("250-REQUIRETLS\r\n") != std::string::npos);
  CHECK(client.code("STARTTLS\r\n") == "502");
  CHECK(client.code("MAIL FROM:<a@a.test> REQUIRETLS\r\n") == "250");
  CHECK(client.code("STARTTLS\r\n") == "503");
  CHECK(client.code("RCPT TO:<b@here.test>\r\n") == "250");
  CHECK(client.code("DATA\r\n") == "354");
  CHECK(client.code("Subject: x\r\n\r\nbody\r\n.\r\n") == "250");
  const Envelope& envelope = rig.queue.added.at(0)->envelope;
  CHECK(envelope.require_tls);
  CHECK(envelope.notes == Notes{{"from", "connect"}});
  CHECK(envelope.origin.tls.starts_with("TLS1.3 TLS_"));
  CHECK(envelope.origin.tls_sni == "mx.test");
  CHECK(envelope.origin.session != 0);
  CHECK(rig.stored(0).find("from after.test") != std::string::npos);
  CHECK(rig.stored(0).find("with ESMTPS id") != std::string::npos);
  CHECK(told == std::vector<std::string>{"starttls mx.test before.test from=connect helo=before", "tls_done mx.test  from=connect"});
  CHECK(rig.sink.count("session.tls") == 1);
  CHECK(rig.context->counters.tls_1_3 == 1);
}

TEST_CASE("in clear REQUIRETLS is not offered and not taken") {
  TlsRig rig;
  Rig::Client client(rig);
  client.read(1);
  CHECK(client.say("EHLO client.test\r\n").find("REQUIRETLS") == std::string::npos);
  CHECK(client.code("MAIL FROM:<a@a.test> REQUIRETLS\r\n") == "555");
}

TEST_CASE("what stands behind STARTTLS ends the connection, unread") {
  for (const char* octets : {"STARTTLS\r\nMAIL FROM:<evil@a.test>\r\n", "STARTTLS\r\nx", "STARTTLS\r\n\r\n"}) {
    TlsRig rig;
    Rig::Client client(rig);
    client.read(1);
    client.say("EHLO client.test\r\n");
    CHECK(client.say(octets).starts_with("503 5.5.1 "));
    CHECK(client.closes());
    CHECK(rig.sink.count("session.early_talker") == 1);
    CHECK(rig.context->counters.tls_handshakes + rig.context->counters.tls_failed == 0);
  }
}

TEST_CASE("what comes behind the 220 in clear ends the connection without a reply in clear") {
  TlsRig rig;
  Rig::Client client(rig);
  client.read(1);
  client.say("EHLO client.test\r\n");
  client.say("STARTTLS\r\n");
  client.send("EHLO again.test\r\nMAIL FROM:<evil@a.test>\r\n");
  CHECK(client.closes());
  CHECK(client.read(1).find("250") == std::string::npos);
  CHECK(rig.sink.count("session.tls_failed") == 1);
}

TEST_CASE("a handshake that stalls is over in its time") {
  TlsRig rig([](Settings& s) { s.tls.handshake = Seconds(7); });
  Rig::Client client(rig);
  client.read(1);
  client.say("EHLO client.test\r\n");
  client.say("STARTTLS\r\n");
  client.send(std::string_view("\x16\x03\x01\x00\x20\x01", 6));
  for (int i = 0; i < 5; ++i) rig.turn();
  rig.pass(Seconds(6));
  CHECK(rig.sink.count("session.tls_failed") == 0);
  rig.pass(Seconds(2));
  CHECK(client.closes());
  CHECK(client.read(1).empty());
  CHECK(rig.sink.count("session.tls_failed") == 1);
  CHECK(rig.context->counters.sessions == 0);
}

TEST_CASE("a hook may refuse the handshake, when it knows the name") {
  TlsRig rig;
  rig.hook(Stage::starttls, [](HookCall& call) {
    if (call.subject().origin->tls_sni == "closed.test") return verdict(Action::reject, {554, {5, 7, 0}, {"Not here"}});
    return Verdict();
  });
  Rig::Client clear(rig);
  Encrypted refused(rig, started(clear), "closed.test");
  CHECK_FALSE(refused.stream);
  CHECK(refused.error.find("alert") != std::string::npos);
  CHECK(rig.sink.text().find("refused by test") != std::string::npos);
  Rig::Client other(rig);
  Encrypted served(rig, started(other));
  CHECK(served.code("EHLO client.test\r\n") == "250");
}

TEST_CASE("implicit TLS: the banner is inside") {
  TlsRig rig;
  rig.listener.tls = ListenerTls::implicit;
  int told = 0;
  rig.hook(Stage::tls_done, [&told](HookCall&) { return ++told, Verdict(); });
  Rig::Client clear(rig);
  Encrypted client(rig, clear.take_socket());
  CHECK(client.read() == "220 mx.test ESMTP Veredus\r\n");
  CHECK(told == 1);
  CHECK(client.say("EHLO client.test\r\n").find("STARTTLS") == std::string::npos);
  CHECK(client.code("STARTTLS\r\n") == "502");
  Rig::Client confused(rig);
  confused.send("EHLO client.test\r\n");
  CHECK(confused.closes());
  CHECK(confused.read(1).find("220") == std::string::npos);
}

TEST_CASE("implicit TLS behind a balancer: who may not connect gets no handshake") {
  TlsRig rig([](Settings& s) {
    s.proxy_networks = {*Network::parse("127.0.0.1/32")};
    s.limits.connections_per_client = 1;
  });
  rig.listener.tls = ListenerTls::implicit;
  rig.listener.proxy = true;
  const char header[] = "PROXY TCP4 192.0.2.1 192.0.2.9 50000 465\r\n";
  Rig::Client first(rig);
  first.send(header);
  Encrypted client(rig, first.take_socket());
  CHECK(client.read().starts_with("220 "));
  Rig::Client second(rig);
  second.send(header);
  CHECK(second.closes());
  CHECK(second.read(1).empty());
  CHECK(rig.sink.count("session.refused") == 1);
  CHECK(rig.context->counters.tls_handshakes == 1);
}

TEST_CASE("TLS that ends within a chunk leaves nothing of the message") {
  for (const char* begin : {"BDAT 1000 LAST\r\nSubject: half\r\n\r\n", "DATA\r\n"}) {
    TlsRig rig;
    int ends = 0;
    rig.hook(Stage::transaction_end, [&ends](HookCall&) { return ++ends, Verdict(); });
    Rig::Client clear(rig);
    {
      Encrypted client(rig, started(clear));
      client.say("EHLO client.test\r\n");
      client.say("MAIL FROM:<a@a.test>\r\nRCPT TO:<b@here.test>\r\n", 2);
      if (*begin == 'D') CHECK(client.code(begin) == "354");
      client.say(*begin == 'D' ? "Subject: half\r\n\r\nbody\r\n" : begin, 0);
      for (int i = 0; i < 5; ++i) rig.turn();
    }
    CHECK(rig.until([&] { return rig.context->counters.sessions == 0; }));
    CHECK(rig.queue.added.empty());
    CHECK(ends == 1);
    CHECK(rig.sink.count("message.aborted") == 1);
  }
}

TEST_CASE("without a certificate TLS is not offered") {
  TlsRig rig;
  rig.context->tls = *TlsServer::make({}, nullptr, {}, rig.real);
  Rig::Client client(rig);
  client.read(1);
  CHECK(client.say("EHLO client.test\r\n").find("STARTTLS") == std::string::npos);
  CHECK(client.code("STARTTLS\r\n") == "502");
}
