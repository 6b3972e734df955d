// TLS between two streams over loopback: handshakes, octets, and everything that must be refused.
#include "net/tls.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <csignal>

#include "loop/scope.h"
#include "net/listener.h"
#include "net/tls_test_support.h"
#include "net/tls_verify.h"

using namespace veredus;
using namespace veredus::testing;

namespace {

using StreamPtr = std::unique_ptr<Stream>;

struct FakeTable final : TablePort {
  std::function<TableAnswer(const std::string&)> answer;
  unsigned asked = 0;
  bool offers(std::string_view) const override { return true; }
  Task<TableAnswer> look_up(Loop&, std::string, std::string key, Deadline) override {
    ++asked;
    co_return answer(key);
  }
};

struct Rig {
  RealClock clock;
  Loop loop{clock};
  Scope scope{loop};
  CertificateFiles files;
  std::vector<std::string> reports;
  TlsServerOptions options;
  std::shared_ptr<TlsServer> server;
  FakeTable table;

  Rig() {
    std::signal(SIGPIPE, SIG_IGN);
    options.tickets = Millis(3'600'000);
  }
  void pair(const std::string& name, const MadeCertificate& made) {
    options.certificates.push_back({files.put(name + ".pem", made.cert_pem), files.put(name + ".key", made.key_pem), "core.yaml:1:2"});
  }
  std::string start() {
    auto made = TlsServer::make(options, &table, [this](bool, std::string text) { reports.push_back(std::move(text)); }, clock, server.get());
    if (!made) return made.error().text;
    server = *made;
    return {};
  }
  Deadline soon() { return Deadline::in(loop, Seconds(10)); }
  std::pair<StreamPtr, StreamPtr> wires() {
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    return {*adopt_stream(loop, fds[0]), *adopt_stream(loop, fds[1])};
  }
  void run() {
    while (scope.running() > 0) loop.run_turn(Millis(100));
  }
};

Task<void> accept_into(Rig& rig, StreamPtr wire, OnTlsHello hello, StreamPtr& out, std::string& error) {
  auto got = co_await tls_accept(rig.loop, std::move(wire), rig.server, std::move(hello), rig.soon());
  if (got) out = std::move(*got);
  else error = got.error().text;
}

Task<void> connect_into(Rig& rig, StreamPtr wire, TlsClientOptions options, StreamPtr& out, std::string& error) {
  auto got = co_await tls_connect(rig.loop, std::move(wire), std::move(options), rig.soon());
  if (got) out = std::move(*got);
  else error = got.error().text;
}

struct Link {
  StreamPtr server, client;
  std::string server_error, client_error;
};

Link joined(Rig& rig, TlsClientOptions options = TlsClientOptions(), OnTlsHello hello = {}) {
  Link out;
  auto [a, b] = rig.wires();
  rig.scope.spawn(accept_into(rig, std::move(a), std::move(hello), out.server, out.server_error));
  rig.scope.spawn(connect_into(rig, std::move(b), std::move(options), out.client, out.client_error));
  rig.run();
  return out;
}

Task<void> send(Rig& rig, Stream& stream, std::string octets, bool& ok) {
  auto sent = co_await stream.write(std::move(octets), rig.soon());
  ok = sent.ok();
}

Task<void> receive(Rig& rig, Stream& stream, size_t count, std::string& into) {
  while (into.size() < count) {
    auto got = co_await stream.fill(rig.soon());
    if (!got || *got == 0) co_return;
    into += stream.buffered();
    stream.consume(stream.buffered().size());
  }
}

std::string pass(Rig& rig, Stream& from, Stream& to, const std::string& octets) {
  bool ok = false;
  std::string got;
  rig.scope.spawn(send(rig, from, octets, ok));
  rig.scope.spawn(receive(rig, to, octets.size(), got));
  rig.run();
  CHECK(ok);
  return got;
}

TlsClientOptions asking(std::string sni) {
  TlsClientOptions out;
  out.sni = std::move(sni);
  return out;
}

std::vector<std::string> names_of(const Link& link) { return certificate_names(link.client->tls()->facts().peer_chain.at(0)); }

}  // namespace

TEST_CASE("octets pass in both directions, short and long") {
  Rig rig;
  rig.pair("a", make_certificate({}));
  REQUIRE(rig.start().empty());
  Link link = joined(rig, asking("mx.test"));
  REQUIRE_MESSAGE(link.server, link.server_error);
  REQUIRE_MESSAGE(link.client, link.client_error);
  const TlsFacts& facts = link.server->tls()->facts();
  CHECK(facts.version == "TLS1.3");
  CHECK(facts.cipher == "TLS_AES_256_GCM_SHA384");
  CHECK(facts.alpn == "smtp");
  CHECK(facts.sni == "mx.test");
  CHECK(pass(rig, *link.client, *link.server, "EHLO a\r\n") == "EHLO a\r\n");
  std::string large(3'000'000, 'x');
  CHECK(pass(rig, *link.server, *link.client, large) == large);
  CHECK(link.server->tls()->channel_binding("tls-exporter") == link.client->tls()->channel_binding("tls-exporter"));
  CHECK(link.server->tls()->channel_binding("tls-exporter").size() == 32);
}

TEST_CASE("views of all sizes arrive as they are, in order") {
  Rig rig;
  rig.pair("a", make_certificate({}));
  REQUIRE(rig.start().empty());
  Link link = joined(rig);
  std::string small(10, 'a'), long_one(70'000, 'b'), medium(5'000, 'c');
  std::vector<std::string_view> views{small, long_one, small, small, medium, small, "", long_one, small};
  std::string wanted, got;
  for (std::string_view view : views) wanted += view;
  auto write = [](Rig& r, Stream& stream, std::span<const std::string_view> all) -> Task<void> {
    auto sent = co_await stream.write_views(all, r.soon());
    CHECK(sent.ok());
  };
  rig.scope.spawn(write(rig, *link.client, views));
  rig.scope.spawn(receive(rig, *link.server, wanted.size(), got));
  rig.run();
  CHECK(got == wanted);
}

TEST_CASE("the end is told once everything was read") {
  Rig rig;
  rig.pair("a", make_certificate({}));
  REQUIRE(rig.start().empty());
  Link link = joined(rig);
  bool ok = false;
  rig.scope.spawn(send(rig, *link.client, "bye", ok));
  rig.run();
  link.client->shutdown();
  std::string got;
  rig.scope.spawn(receive(rig, *link.server, 100, got));
  rig.run();
  CHECK(got == "bye");
}

TEST_CASE("the server's name chooses the certificate, wildcards included; who names none gets the first") {
  Rig rig;
  rig.pair("a", make_certificate({.names = {"a.test"}}));
  rig.pair("b", make_certificate({.names = {"b.test", "*.wild.test"}}));
  REQUIRE(rig.start().empty());
  CHECK(names_of(joined(rig, asking("b.test"))) == std::vector<std::string>{"b.test", "*.wild.test"});
  CHECK(names_of(joined(rig, asking("x.WILD.test")))[0] == "b.test");
  CHECK(names_of(joined(rig, asking("x.y.wild.test")))[0] == "a.test");
  CHECK(names_of(joined(rig, asking("unknown.test")))[0] == "a.test");
  CHECK(names_of(joined(rig))[0] == "a.test");
}

TEST_CASE("of two certificates with one name the elliptic one is offered first, whatever the order") {
  Rig rig;
  rig.pair("rsa", make_certificate({.rsa = true}));
  rig.pair("ec", make_certificate({}));
  REQUIRE(rig.start().empty());
  Link both = joined(rig);
  CHECK(both.client->tls()->facts().peer_fingerprint == rig.server->certificates()[1].fingerprint);
  TlsClientOptions only_rsa;
  only_rsa.priority = "NORMAL:-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-SHA256";
  Link rsa = joined(rig, only_rsa);
  REQUIRE_MESSAGE(rsa.client, rsa.client_error);
  CHECK(rsa.client->tls()->facts().peer_fingerprint == rig.server->certificates()[0].fingerprint);
}

TEST_CASE("sessions are resumed in TLS 1.3 and 1.2, and still show the certificate") {
  Rig rig;
  rig.pair("a", make_certificate({}));
  REQUIRE(rig.start().empty());
  for (const char* priority : {"", "NORMAL:-VERS-ALL:+VERS-TLS1.2"}) {
    TlsClientOptions options;
    options.priority = priority;
    Link first = joined(rig, options);
    REQUIRE_MESSAGE(first.client, first.client_error);
    CHECK_FALSE(first.client->tls()->facts().resumed);
    pass(rig, *first.server, *first.client, "220 hello\r\n");  // tickets come with the first octets
    options.resumption = first.client->tls()->resumption();
    REQUIRE_FALSE(options.resumption.empty());
    REQUIRE(rig.start().empty());  // as a reload does
    Link second = joined(rig, options);
    REQUIRE_MESSAGE(second.client, second.client_error);
    CHECK(second.client->tls()->facts().resumed);
    CHECK(second.server->tls()->facts().resumed);
    CHECK(second.client->tls()->facts().peer_chain == first.client->tls()->facts().peer_chain);
  }
}

namespace {

// Carries octets over in pieces of `size`, each seen alone by who reads them.
Task<void> carry(Rig& rig, Stream& from, Stream& to, size_t size) {
  for (;;) {
    auto got = co_await from.fill(rig.soon());
    if (!got || *got == 0) co_return;
    while (!from.buffered().empty()) {
      std::string piece(from.buffered().substr(0, size));
      from.consume(piece.size());
      auto sent = co_await to.write(std::move(piece), rig.soon());
      if (!sent) co_return;
      Event never(rig.loop);
      for (int turn = 0; turn < 2; ++turn) (void)co_await never.wait(Deadline{rig.loop.now()});
    }
  }
}

}  // namespace

TEST_CASE("octets that come one by one, and in pieces of the size of a record's head, make no difference to the choice of the certificate") {
  Rig rig;
  for (const char* name : {"a.test", "b.test"}) rig.pair(name, make_certificate({.names = {name}}));
  REQUIRE(rig.start() == "");
  for (size_t size : {1, 2, 5, 6, 9, 44}) {
    CAPTURE(size);
    Link link;
    auto [server_end, relay_server] = rig.wires();
    auto [client_end, relay_client] = rig.wires();
    Scope relays(rig.loop);
    relays.spawn(carry(rig, *relay_client, *relay_server, size));
    relays.spawn(carry(rig, *relay_server, *relay_client, size));
    rig.scope.spawn(accept_into(rig, std::move(server_end), {}, link.server, link.server_error));
    rig.scope.spawn(connect_into(rig, std::move(client_end), asking("b.test"), link.client, link.client_error));
    rig.run();
    REQUIRE_MESSAGE(link.server, link.server_error);
    REQUIRE_MESSAGE(link.client, link.client_error);
    CHECK(names_of(link) == std::vector<std::string>{"b.test"});
    CHECK(link.server->tls()->facts().sni == "b.test");
    CHECK(pass(rig, *link.client, *link.server, std::string(3'000, 'x')).size() == 3'000);
  }
}

TEST_CASE("the key behind tickets is replaced when it is old") {
  Rig rig;
  rig.pair("a", make_certificate({}));
  rig.options.tickets = Millis(1);
  REQUIRE(rig.start().empty());
  while (!rig.server->files_changed()) rig.loop.run_turn(Millis(1));
  rig.server->look_for_changes();
  CHECK_FALSE(rig.server->files_changed());
}

TEST_CASE("a client of another protocol is refused") {
  Rig rig;
  rig.pair("a", make_certificate({}));
  REQUIRE(rig.start().empty());
  TlsClientOptions http;
  http.alpn = "http/1.1";
  Link link = joined(rig, http);
  CHECK_FALSE(link.server);
  CHECK(link.server_error.find("application protocol") != std::string::npos);
  CHECK(link.client_error.find("alert 120") != std::string::npos);
  TlsClientOptions none;
  none.alpn.clear();
  CHECK(joined(rig, none).server);
}

TEST_CASE("old protocol versions are refused") {
  Rig rig;
  rig.pair("a", make_certificate({}));
  REQUIRE(rig.start().empty());
  TlsClientOptions old;
  old.priority = "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0";
  Link link = joined(rig, old);
  CHECK_FALSE(link.server);
  CHECK(link.server_error.find("version") != std::string::npos);
}

TEST_CASE("octets that are no TLS end the handshake with a clear error") {
  Rig rig;
  rig.pair("a", make_certificate({}));
  REQUIRE(rig.start().empty());
  auto [a, b] = rig.wires();
  StreamPtr out;
  std::string error;
  bool ok = false;
  rig.scope.spawn(accept_into(rig, std::move(a), {}, out, error));
  rig.scope.spawn(send(rig, *b, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", ok));
  rig.run();
  CHECK_FALSE(out);
  CHECK(error.find("what came is not TLS") != std::string::npos);
}

TEST_CASE("a peer that closes in the middle of the handshake is told apart from one that stalls") {
  Rig rig;
  rig.pair("a", make_certificate({}));
  REQUIRE(rig.start().empty());
  StreamPtr out;
  std::string error;
  {
    auto [a, b] = rig.wires();
    rig.scope.spawn(accept_into(rig, std::move(a), {}, out, error));
    b.reset();
    rig.run();
    CHECK(error.find("closed") != std::string::npos);
  }
  auto [a, b] = rig.wires();
  auto stall = [](Rig& r, StreamPtr wire, std::string& text) -> Task<void> {
    auto got = co_await tls_accept(r.loop, std::move(wire), r.server, {}, Deadline::in(r.loop, Millis(30)));
    text = got ? "accepted" : got.error().text;
  };
  rig.scope.spawn(stall(rig, std::move(a), error));
  rig.run();
  CHECK(error.find("not finished in time") != std::string::npos);
}

TEST_CASE("who decides about the hello can refuse it") {
  Rig rig;
  rig.pair("a", make_certificate({}));
  REQUIRE(rig.start().empty());
  auto refuse = [](TlsHello hello) -> Task<Status> { co_return fail(Errc::refused, "not for " + hello.sni); };
  Link link = joined(rig, asking("a.test"), refuse);
  CHECK(link.server_error == "not for a.test");
  CHECK(link.client_error.find("alert 49") != std::string::npos);
}

TEST_CASE("pairs that cannot be used say why") {
  auto error_of = [](const MadeCertificate& cert, const std::string& key) {
    Rig rig;
    rig.options.certificates.push_back({rig.files.put("c.pem", cert.cert_pem), rig.files.put("c.key", key), "core.yaml:7:5"});
    return rig.start();
  };
  MadeCertificate good = make_certificate({}), other = make_certificate({}), old = make_certificate({.from_days = -9, .until_days = -2});
  CHECK(error_of(good, good.key_pem).empty());
  CHECK(error_of(good, other.key_pem).find("does not belong to certificate") != std::string::npos);
  CHECK(error_of(good, other.key_pem).starts_with("core.yaml:7:5: "));
  CHECK(error_of(old, old.key_pem).find("has expired on ") != std::string::npos);
  CHECK(error_of(good, "nonsense").find("is not a PEM private key") != std::string::npos);
  CHECK(error_of({"nonsense", "", ""}, good.key_pem).find("is not a PEM certificate") != std::string::npos);
  Rig rig;
  rig.options.certificates.push_back({"/nowhere/c.pem", "/nowhere/c.key", ""});
  CHECK(rig.start().find("cannot be read: No such file") != std::string::npos);
  Rig wrong;
  wrong.options.priority = "NORMAL:+NONSENSE";
  CHECK(wrong.start() == "tls.priority: GnuTLS does not understand it at \"+NONSENSE\"");
}

TEST_CASE("renewed files are taken; a pair that does not fit together is not, and is reported once") {
  Rig rig;
  MadeCertificate first = make_certificate({}), second = make_certificate({});
  rig.pair("a", first);
  REQUIRE(rig.start().empty());
  std::string before = rig.server->certificates()[0].fingerprint;
  rig.files.put("a.pem", second.cert_pem);
  rig.server->look_for_changes();
  rig.server->look_for_changes();
  CHECK(rig.server->certificates()[0].fingerprint == before);
  REQUIRE(rig.reports.size() == 1);
  CHECK(rig.reports[0].find("stays in use") != std::string::npos);
  rig.files.put("a.key", second.key_pem);
  rig.server->look_for_changes();
  CHECK(rig.server->certificates()[0].fingerprint == certificate_fingerprint(second.der));
  CHECK(joined(rig).client->tls()->facts().peer_fingerprint == certificate_fingerprint(second.der));
}

TEST_CASE("certificates of a table: a hundred thousand names, a few of them loaded") {
  Rig rig;
  MadeCertificate made = make_certificate({.names = {"many.test"}}), fallback = make_certificate({.names = {"first.test"}});
  rig.pair("first", fallback);
  std::string value = rig.files.put("m.pem", made.cert_pem) + " " + rig.files.put("m.key", made.key_pem);
  rig.options.table = "certs";
  rig.options.cache = 8;
  rig.table.answer = [&](const std::string& name) {
    if (name == "down.test") return TableAnswer{TableAnswer::Kind::temporary, "", "it sleeps"};
    if (!name.starts_with("n")) return TableAnswer{TableAnswer::Kind::absent, "", ""};
    return TableAnswer{TableAnswer::Kind::found, name == "nbad.test" ? "just-one-path" : value, ""};
  };
  REQUIRE(rig.start().empty());
  for (int i = 0; i < 100'000; i += 2'000) CHECK(names_of(joined(rig, asking("n" + std::to_string(i) + ".test")))[0] == "many.test");
  CHECK(names_of(joined(rig, asking("other.test")))[0] == "first.test");
  CHECK(joined(rig, asking("down.test")).server_error.find("it sleeps") != std::string::npos);
  CHECK(joined(rig, asking("nbad.test")).server_error.find("parted by a space") != std::string::npos);
}

TEST_CASE("client certificates: trusted ones by the authority, others by fingerprint only") {
  Rig rig;
  MadeCertificate ca = make_certificate({.names = {"Our CA"}, .ca = true});
  MadeCertificate known = make_certificate({.names = {"client.test"}, .issuer = &ca}), stranger = make_certificate({.names = {"client.test"}});
  rig.pair("a", make_certificate({}));
  rig.options.client_ca = rig.files.put("ca.pem", ca.cert_pem);
  REQUIRE(rig.start().empty());
  auto shown = [&](const MadeCertificate& made, const std::string& name) {
    TlsClientOptions options;
    options.cert = rig.files.put(name + ".pem", made.cert_pem);
    options.key = rig.files.put(name + ".key", made.key_pem);
    Link link = joined(rig, options);
    REQUIRE_MESSAGE(link.server, link.server_error);
    return link.server->tls()->facts();
  };
  TlsFacts trusted = shown(known, "k"), untrusted = shown(stranger, "s");
  CHECK(trusted.peer_trusted);
  CHECK(trusted.peer_subject == "CN=client.test");
  CHECK_FALSE(untrusted.peer_trusted);
  CHECK(untrusted.peer_fingerprint == certificate_fingerprint(stranger.der));
  CHECK(joined(rig).server->tls()->facts().peer_chain.empty());
}

TEST_CASE("chains are judged by anchors, names and dates") {
  CertificateFiles files;
  MadeCertificate ca = make_certificate({.names = {"CA"}, .ca = true}), leaf = make_certificate({.names = {"mx.a.test"}, .issuer = &ca});
  MadeCertificate late = make_certificate({.names = {"mx.a.test"}, .from_days = -9, .until_days = -1, .issuer = &ca}), self = make_certificate({});
  auto anchors = TrustAnchors::load(files.put("ca.pem", ca.cert_pem));
  REQUIRE(anchors.ok());
  WallTime now = std::chrono::floor<Millis>(std::chrono::system_clock::now());
  auto judge = [&](const MadeCertificate& made, std::vector<std::string> names) {
    std::vector<std::string> chain{made.der};
    return verify_chain(chain, **anchors, names, now);
  };
  CHECK(judge(leaf, {"mx.a.test"}).fault == CertificateFault::none);
  CHECK(judge(leaf, {".a.test"}).fault == CertificateFault::none);
  CHECK(judge(leaf, {"*.a.test"}).fault == CertificateFault::none);
  CHECK(judge(leaf, {"*.test"}).fault == CertificateFault::host_mismatch);
  CHECK(judge(leaf, {"other.test", "mx.a.test"}).fault == CertificateFault::none);
  CHECK(judge(leaf, {"b.test"}).text == "the certificate is for mx.a.test, not for b.test");
  CHECK(judge(late, {"mx.a.test"}).fault == CertificateFault::expired);
  CHECK(judge(self, {"mx.test"}).fault == CertificateFault::not_trusted);
  CHECK(verify_chain({}, **anchors, {}, now).fault == CertificateFault::missing);
  CHECK(TrustAnchors::load("/nowhere/ca.pem").error().text.find("cannot be read") != std::string::npos);
  CHECK(TrustAnchors::load(files.put("x.pem", "x")).error().text.find("no PEM certificate") != std::string::npos);
}
