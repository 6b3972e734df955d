// Deliveries over real TLS on loopback: what each level does with next hops that are right, wrong or hostile, DANE from the resolver to the
// certificate, what REQUIRETLS asks of several hosts, and what hooks hear at `connected`.
#include <csignal>

#include "net/tls_test_support.h"
#include "outbound/test_rig.h"

using namespace veredus;
using namespace veredus::outbound_test;
using veredus::testing::CertificateFiles;
using veredus::testing::CertificateWish;
using veredus::testing::make_certificate;
using veredus::testing::MadeCertificate;

namespace {

std::string octets_of(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i < hex.size(); i += 2) out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}

CertificateWish wish(std::vector<std::string> names, const MadeCertificate* issuer = nullptr) {
  CertificateWish out;
  out.names = std::move(names);
  out.issuer = issuer;
  return out;
}

// h1.test and h2.test are next hops of the route, in this order, on one port of two addresses.
struct Secured {
  Secured() {
    std::signal(SIGPIPE, SIG_IGN);
    CertificateWish authority = wish({"authority"});
    authority.ca = true;
    ca = make_certificate(authority);
    rig.settings.tls.ca = files.put("ca.pem", ca.cert_pem);
    rig.settings.tls.handshake = Millis(2'000);
    rig.settings.outbound.helo_timeout = rig.settings.outbound.mail_timeout = Millis(2'000);
    rig.dns.add_a("h1.test", "127.0.0.2");
    rig.dns.add_a("h2.test", "127.0.0.3");
    for (NextHopServer* hop : {&h1, &h2}) hop->features = {"PIPELINING", "STARTTLS"};
    rig.prepare = [this](OutboundContext& context) { context.anchors = &anchors; };
    rig.route("smtp://h1.test:" + std::to_string(h1.port));
  }
  void both() { rig.route("smtp://h1.test:" + std::to_string(h1.port) + ",smtp://h2.test:" + std::to_string(h1.port)); }
  void level(const std::string& text) { rig.settings.routes[0].tls = text; }
  void certify(NextHopServer& hop, const MadeCertificate& made) {
    TlsServerOptions options;
    std::string name = "c" + std::to_string(++made_);
    options.certificates.push_back({files.put(name + ".pem", made.cert_pem), files.put(name + ".key", made.key_pem), "test:1:1"});
    options.tickets = Millis(3'600'000);
    auto server = TlsServer::make(options, nullptr, [](bool, std::string) {}, rig.clock, nullptr);
    REQUIRE(server.ok());
    hop.certificates = *server;
  }
  void certify(NextHopServer& hop, const std::string& name) { certify(hop, make_certificate(wish({name}, &ca))); }
  void deliver(bool require_tls = false) {
    auto message = rig.message({"a@to.test"});
    message->envelope.require_tls = require_tls;
    rig.outcomes.clear();
    rig.waiting.clear();
    rig.give(std::move(message));
    rig.deliver_to("to.test");
  }
  void sign(const std::string& host, const std::string& tlsa) {
    std::string owner = "_" + std::to_string(h1.port) + "._tcp." + host;
    rig.dns.add_tlsa(owner, tlsa);
    rig.dns.answer(owner, DnsType::tlsa).authentic = true;
    sign_addresses(host);
  }
  void sign_addresses(const std::string& host) {
    rig.dns.answer(host, DnsType::a).authentic = true;
    DnsAnswer& none = rig.dns.answer(host, DnsType::aaaa);
    none.status = DnsStatus::no_data;
    none.authentic = true;
    none.canonical = host;
    rig.dns.answer(host, DnsType::a).canonical = host;
  }
  void hear() {
    rig.hook(Stage::connected, [this](HookCall& call) {
      heard.push_back(*call.subject().outbound_tls);
      where.emplace_back(call.subject().remote);
      return Verdict();
    });
  }

  Rig rig;
  CertificateFiles files;
  AnchorCache anchors;
  MadeCertificate ca;
  NextHopServer h1{rig.loop, "127.0.0.2"}, h2{rig.loop, "127.0.0.3", h1.port};
  std::vector<OutboundTls> heard;
  std::vector<std::string> where;

 private:
  int made_ = 0;
};

std::string tlsa_of(const MadeCertificate& made) { return std::string("\x03\x00\x01", 3) + octets_of(certificate_fingerprint(made.der)); }

}  // namespace

TEST_CASE("after STARTTLS the next hop is greeted anew, and nothing that it said before counts") {
  Secured one;
  one.certify(one.h1, "h1.test");
  one.h1.features = {"STARTTLS", "SIZE 1", "REQUIRETLS"};
  one.deliver();
  CHECK(one.rig.outcome() == Outcome::delivered);
  CHECK(one.h1.count("EHLO") == 2);
  CHECK(one.h1.saw("MAIL FROM:<sender@from.test>"));
  CHECK_FALSE(one.h1.saw("MAIL FROM:<sender@from.test> SIZE"));
  REQUIRE(one.h1.handshakes.size() == 1);
  CHECK(one.h1.handshakes[0].sni == "h1.test");
  CHECK(one.h1.handshakes[0].alpn == "smtp");
}

TEST_CASE("a handshake that fails where nothing demands it is made up for in clear, and not tried again for a while") {
  Secured one;
  one.hear();
  one.certify(one.h1, "h1.test");
  one.h1.answer = [](const std::string& line) -> std::optional<std::string> {
    if (line == "STARTTLS") return "220 go\r\n\x15\x03\x03\x00\x02\x02\x28";
    return std::nullopt;
  };
  one.deliver();
  CHECK(one.rig.outcome() == Outcome::delivered);
  CHECK(one.h1.connections == 2);
  one.deliver();
  CHECK(one.rig.outcome() == Outcome::delivered);
  CHECK(one.h1.count("STARTTLS") == 1);
  REQUIRE(one.heard.size() == 3);  // all three are told as failures
  for (const OutboundTls& told : one.heard) CHECK(told.result == "validation-failure");
  one.h1.greeting = "554 5.3.2 away\r\n";
  one.deliver();
  CHECK(one.heard.size() == 3);  // nothing was said that TLS could secure
  one.h1.greeting = "220 back\r\n";
  one.level("encrypt");
  one.deliver();
  CHECK(one.h1.count("STARTTLS") == 2);
  CHECK(one.rig.outcomes.empty());
  CHECK(one.rig.failure.joined().starts_with("451 4.7.5 "));
}

TEST_CASE("hooks hear once of a connection that nobody wants to secure") {
  Secured one;
  one.hear();
  one.level("none");
  one.certify(one.h1, "h1.test");
  one.deliver();
  CHECK(one.rig.outcome() == Outcome::delivered);
  CHECK_FALSE(one.h1.saw("STARTTLS"));
  REQUIRE(one.heard.size() == 1);
  CHECK(one.heard[0].level == "none");
  CHECK(one.heard[0].host == "h1.test");
  CHECK(one.heard[0].result.empty());
  CHECK(one.heard[0].tls.empty());
  CHECK(one.where[0].starts_with("h1.test [127.0.0.2]:"));
  one.h1.greeting = "554 5.3.2 away\r\n";
  one.deliver();
  CHECK(one.heard.size() == 1);
}

TEST_CASE("levels that demand TLS say nothing of the message to a next hop that has none") {
  for (const char* answer : {"", "454 4.7.0 not now\r\n", "500 what\r\n"}) {
    Secured one;
    if (*answer == '\0') one.h1.features = {"PIPELINING"};
    one.h1.answer = [&](const std::string& line) { return line == "STARTTLS" ? std::optional<std::string>(answer) : std::nullopt; };
    one.level("encrypt");
    one.deliver();
    CHECK(one.rig.outcomes.empty());
    CHECK(one.rig.failure.joined().starts_with("451 4.7.4 TLS is required, and h1.test "));
    CHECK_FALSE(one.h1.saw("MAIL"));
    one.level("opportunistic");
    one.deliver();
    CHECK(one.rig.outcome() == Outcome::delivered);
  }
}

TEST_CASE("verify takes the certificate that it wants only, also of a session resumed") {
  Secured one;
  one.hear();
  one.level("verify");
  one.certify(one.h1, "h1.test");
  one.deliver();
  one.deliver();
  CHECK(one.rig.outcome() == Outcome::delivered);
  REQUIRE(one.heard.size() == 2);
  CHECK(one.heard[1].resumed);
  CHECK(one.heard[1].result == "success");
  CHECK(one.heard[1].level == "verify");
  one.certify(one.h1, "other.test");
  one.deliver();
  CHECK(one.rig.failure.joined().starts_with("451 4.7.5 The certificate of h1.test "));
  REQUIRE(one.heard.size() == 3);
  CHECK(one.heard[2].result == "certificate-host-mismatch");
  CHECK(one.where[2] == "h1.test [127.0.0.2]:" + std::to_string(one.h1.port));
  one.certify(one.h1, make_certificate(wish({"h1.test"})));
  one.deliver();
  CHECK(one.heard.back().result == "certificate-not-trusted");
  CHECK(one.h1.contents.size() == 2);
}

TEST_CASE("DANE raises opportunistic; records that do not match, or cannot be told, are never passed over") {
  Secured one;
  one.hear();
  MadeCertificate own = make_certificate(wish({"anything.test"}));
  one.certify(one.h1, own);
  one.sign("h1.test", tlsa_of(own));
  one.deliver();
  CHECK(one.rig.outcome() == Outcome::delivered);
  REQUIRE(one.heard.size() == 1);
  CHECK(one.heard[0].type == "tlsa");
  CHECK(one.heard[0].result == "success");
  CHECK(one.heard[0].text.starts_with("3 0 1 "));
  one.certify(one.h1, make_certificate(wish({"anything.test"})));
  one.deliver();
  CHECK(one.rig.failure.temporary());
  CHECK(one.heard.back().result == "validation-failure");
  one.h1.features = {"PIPELINING"};
  one.deliver();
  CHECK(one.rig.failure.temporary());
  CHECK(one.heard.back().result == "starttls-not-supported");
  one.rig.dns.fail_with("_" + std::to_string(one.h1.port) + "._tcp.h1.test", DnsType::tlsa, DnsStatus::server_failure);
  int before = one.h1.connections;
  one.deliver();
  CHECK(one.rig.failure.joined().starts_with("451 4.7.7 DANE of h1.test cannot be checked"));
  CHECK(one.h1.connections == before);
  CHECK(one.heard.back().result == "dnssec-invalid");
}

TEST_CASE("records that nobody can use ask for encryption; dane-only is not content with that") {
  Secured one;
  one.certify(one.h1, "stranger.test");
  one.sign("h1.test", std::string("\x01\x01\x01", 3) + std::string(32, 'x'));
  one.deliver();
  CHECK(one.rig.outcome() == Outcome::delivered);
  one.h1.features = {"PIPELINING"};
  one.deliver();
  CHECK(one.rig.failure.joined().starts_with("451 4.7.4 "));
  one.level("dane-only");
  one.deliver();
  CHECK(one.rig.failure.joined().find("none of its TLSA records can be used") != std::string::npos);
}

TEST_CASE("what one host lacks another may have: the next one of the list is used") {
  Secured one;
  one.both();
  one.level("verify");
  one.certify(one.h1, "wrong.test");
  one.certify(one.h2, "h2.test");
  one.deliver();
  CHECK(one.rig.outcome() == Outcome::delivered);
  CHECK(one.h1.contents.empty());
  CHECK(one.h2.contents.size() == 1);
}

TEST_CASE("REQUIRETLS looks for a host that promises it among all of them") {
  Secured one;
  one.both();
  one.level("verify");
  one.certify(one.h1, "h1.test");
  one.certify(one.h2, "h2.test");
  one.h2.inside = {"REQUIRETLS"};
  one.deliver(true);
  CHECK(one.rig.outcome() == Outcome::delivered);
  CHECK(one.h1.contents.empty());
  CHECK(one.h2.saw("MAIL FROM:<sender@from.test> REQUIRETLS"));
  one.deliver(false);  // which the first host may have
  CHECK(one.h1.contents.size() == 1);
}

TEST_CASE("REQUIRETLS that no host promises is final for this message alone") {
  Secured one;
  one.both();
  one.level("encrypt");
  one.certify(one.h1, "h1.test");
  one.certify(one.h2, "h2.test");
  one.h1.inside = one.h2.inside = {"REQUIRETLS"};  // but nobody knows who they are
  one.deliver(true);
  CHECK(one.rig.outcome() == Outcome::permanent);
  CHECK(one.rig.reply().starts_with("550 5.7.30 "));
  CHECK(one.rig.failure.code == 0);
  CHECK(one.rig.ended == LeaseEnd::idle);
  CHECK_FALSE(one.h1.saw("MAIL"));
  CHECK(one.h1.count("QUIT") == 1);
}

TEST_CASE("REQUIRETLS waits for a host that is away") {
  Secured one;
  one.both();
  one.level("verify");
  one.certify(one.h2, "h2.test");
  one.h1.greeting = "421 4.3.2 not now\r\n";
  one.deliver(true);
  CHECK(one.rig.outcome() == Outcome::temporary);
  CHECK_FALSE(one.h2.saw("MAIL"));
}

TEST_CASE("a message with REQUIRETLS does not take a connection from those that wait behind it") {
  Secured one;
  one.certify(one.h1, "h1.test");
  auto strict = one.rig.message({"a@to.test"});
  strict->envelope.require_tls = true;
  one.rig.give("b@to.test");
  one.rig.give(std::move(strict));
  one.rig.deliver_to("to.test");
  REQUIRE(one.rig.outcomes.size() == 2);
  CHECK(one.rig.outcome(0) == Outcome::delivered);
  CHECK(one.rig.outcome(1) == Outcome::permanent);
  CHECK(one.rig.ended == LeaseEnd::idle);
  CHECK(one.h1.connections == 1);
}

TEST_CASE("a password is shown inside TLS only, also on loopback") {
  for (bool encrypted : {false, true}) {
    Secured one;
    CredentialSettings account;
    account.user = "ann";
    account.password = "pencil";
    one.rig.settings.credentials["account"] = account;
    one.rig.settings.routes[0].credentials = "account";
    one.h1.features = {"AUTH PLAIN LOGIN"};
    one.h1.inside = {"AUTH PLAIN"};
    if (encrypted) one.certify(one.h1, "h1.test");
    if (encrypted) one.h1.features.emplace_back("STARTTLS");
    one.h1.answer = [](const std::string& line) { return line.starts_with("AUTH") ? std::optional<std::string>("235 2.7.0 ok\r\n") : std::nullopt; };
    one.deliver();
    CHECK(one.h1.saw("AUTH PLAIN AGFubgBwZW5jaWw=") == encrypted);
    CHECK(one.h1.saw("AUTH") == encrypted);
    CHECK(one.h1.saw("MAIL") == encrypted);
    if (!encrypted) CHECK(one.rig.failure.joined().find("4.7.8 No authentication to h1.test") != std::string::npos);
  }
}

TEST_CASE("a next hop that refuses the password, or is not sure, keeps the mail waiting") {
  for (const char* answer : {"535 5.7.8 no\r\n", "454 4.7.0 not now\r\n", "334 !!!\r\n", "CLOSE"}) {
    Secured one;
    CredentialSettings account;
    account.user = "ann";
    account.password = "pencil";
    one.rig.settings.credentials["account"] = account;
    one.rig.settings.routes[0].credentials = "account";
    one.certify(one.h1, "h1.test");
    one.h1.inside = {"AUTH PLAIN"};
    one.h1.answer = [&](const std::string& line) { return line.starts_with("AUTH") ? std::optional<std::string>(answer) : std::nullopt; };
    one.deliver();
    CHECK(one.rig.failure.temporary());
    CHECK(one.rig.outcomes.empty());
    CHECK_FALSE(one.h1.saw("MAIL"));
    CHECK_FALSE(one.rig.lines.has("pencil"));
  }
}
