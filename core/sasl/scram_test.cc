// SCRAM-SHA-256 and -PLUS: the example of RFC 7677, stored secrets, feigned accounts, channel binding, broken messages.
#include <gnutls/crypto.h>

#include "sasl/gsasl_session.h"
#include "sasl/scram_secret.h"
#include "sasl/test_support.h"

using namespace veredus;
using namespace veredus::sasl_test;
using Kind = SaslServerStep::Kind;
using Why = SaslServerStep::Why;

namespace {

std::string mac(const std::string& key, const std::string& text) {
  std::string out(32, '\0');
  gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.data(), key.size(), text.data(), text.size(), out.data());
  return out;
}

std::string digest(const std::string& text) {
  std::string out(32, '\0');
  gnutls_hash_fast(GNUTLS_DIG_SHA256, text.data(), text.size(), out.data());
  return out;
}

std::unique_ptr<SaslClient> client_of(const std::string& mechanism, const std::string& password, const std::string& binding = {}, std::string acting_as = {}) {
  SaslBinding bound;
  if (!binding.empty()) bound = {"tls-exporter", binding};
  return SaslClient::make(mechanism, {.account = "tim", .acting_as = std::move(acting_as), .password = password, .token = {}}, "mx.test", 587, bound);
}

SaslServerStep first_step(const std::string& mechanism, const std::string& message, const std::string& binding = {}) {
  auto server = SaslServer::make(mechanism, options(binding));
  return server->begin(message, true);
}

}  // namespace

TEST_CASE("the stored secret fits the example of RFC 7677") {
  const std::string salt = *octets_of_base64("W22ZaJ0SNY7soEsUEjb6gQ==");
  auto secret = read_scram_secret(scram_secret("pencil", salt, 4096));
  REQUIRE(secret);
  CHECK(secret->iterations == 4096);
  CHECK(secret->salt == "W22ZaJ0SNY7soEsUEjb6gQ==");
  const std::string nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  const std::string messages = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=" + nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=" + nonce;
  CHECK(base64_of(mac(*octets_of_base64(secret->server_key), messages)) == "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
  std::string key = *octets_of_base64("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  const std::string signature = mac(*octets_of_base64(secret->stored_key), messages);
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<char>(key[i] ^ signature[i]);
  CHECK(base64_of(digest(key)) == secret->stored_key);
}

TEST_CASE("stored secrets that are none") {
  CHECK(scram_secret("pencil", "salt", 4095) == "");
  CHECK(scram_secret("", "salt", 4096) == "");
  CHECK(scram_secret("a\x07", "salt", 4096) == "");
  std::string good = scram_secret("pencil", "salt", 4096);
  CHECK(read_scram_secret(good));
  for (std::string text : {std::string("SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$AAAA:AAAA"), std::string("SCRAM-SHA-256$4096:c2FsdA==$AAAA:AAAA"), good + ":x",
                           good + "$", good.substr(0, good.size() - 5), std::string("SCRAM-SHA-256$"), std::string(), "x" + good,
                           std::string("SCRAM-SHA-256$0") + good.substr(18), std::string("SCRAM-SHA-256$99999999999") + good.substr(18)})
    CHECK_FALSE(read_scram_secret(text));
}

TEST_CASE("SCRAM-SHA-256: right and wrong passwords, with and without initial response") {
  Accounts accounts;
  for (bool initial : {true, false}) {
    auto server = SaslServer::make("SCRAM-SHA-256", options());
    auto client = client_of("SCRAM-SHA-256", accounts.password);
    Outcome out = exchange(*server, *client, accounts, initial);
    CHECK(out.server.kind == Kind::accepted);
    CHECK(out.server.account == "tim");
    CHECK(out.client);
  }
  auto server = SaslServer::make("SCRAM-SHA-256", options());
  auto client = client_of("SCRAM-SHA-256", "wrong");
  Outcome out = exchange(*server, *client, accounts);
  CHECK(out.server.kind == Kind::refused);
  CHECK(out.server.why == Why::denied);
  CHECK_FALSE(out.client);
  CHECK_FALSE(client_of("SCRAM-SHA-256", ""));
}

TEST_CASE("SCRAM: acting as somebody else, and temporary trouble") {
  Accounts accounts;
  accounts.delegate = "shared";
  auto server = SaslServer::make("SCRAM-SHA-256", options());
  auto client = client_of("SCRAM-SHA-256", accounts.password, {}, "shared");
  Outcome out = exchange(*server, *client, accounts);
  CHECK(out.server.kind == Kind::accepted);
  CHECK(out.server.acting_as == "shared");
  server = SaslServer::make("SCRAM-SHA-256", options());
  client = client_of("SCRAM-SHA-256", accounts.password, {}, "boss");
  CHECK(exchange(*server, *client, accounts).server.why == Why::denied);
  accounts.broken = true;
  server = SaslServer::make("SCRAM-SHA-256", options());
  client = client_of("SCRAM-SHA-256", accounts.password);
  CHECK(exchange(*server, *client, accounts).server.why == Why::temporary);
  server = SaslServer::make("SCRAM-SHA-256", options());
  (void)server->begin("n,,n=tim,r=abc", true);
  SaslServerStep step = server->told({AuthAnswer::Kind::ok, "tim", {}, "{plain}x"});
  CHECK(step.why == Why::temporary);
  CHECK(step.problem.find("secret") != step.problem.npos);
}

TEST_CASE("an unknown account looks like a wrong password until the proof") {
  Accounts accounts;
  auto salt_of = [&](const std::string& name) {
    auto server = SaslServer::make("SCRAM-SHA-256", options());
    SaslServerStep step = settled(*server, server->begin("n,,n=" + name + ",r=abc", true), accounts);
    REQUIRE(step.kind == Kind::challenge);
    size_t at = step.octets.find(",s=");
    return step.octets.substr(at);
  };
  std::string known = salt_of("tim"), nobody = salt_of("nobody");
  CHECK(nobody == salt_of("nobody"));
  CHECK(nobody != salt_of("nobody2"));
  CHECK(nobody.size() == known.size());
  CHECK(nobody.ends_with(",i=4096"));
  note_scram_secret({20'000, base64_of("twelve octet"), {}, {}});
  CHECK(salt_of("nobody").ends_with(",i=20000"));
  CHECK(salt_of("nobody").size() == std::string(",s=dHdlbHZlIG9jdGV0,i=20000").size());
  auto server = SaslServer::make("SCRAM-SHA-256", options());
  auto client = SaslClient::make("SCRAM-SHA-256", {.account = "nobody", .acting_as = {}, .password = accounts.password, .token = {}}, {}, 0, {});
  SaslServerStep unknown = exchange(*server, *client, accounts).server;
  server = SaslServer::make("SCRAM-SHA-256", options());
  client = client_of("SCRAM-SHA-256", "wrong");
  CHECK(unknown.problem == exchange(*server, *client, accounts).server.problem);
  CHECK(unknown.why == Why::denied);
}

TEST_CASE("-PLUS: the channel must be the same at both ends") {
  Accounts accounts;
  auto server = SaslServer::make("SCRAM-SHA-256-PLUS", options("one channel"));
  auto client = client_of("SCRAM-SHA-256-PLUS", accounts.password, "one channel");
  Outcome out = exchange(*server, *client, accounts);
  CHECK(out.server.kind == Kind::accepted);
  CHECK(out.client);
  server = SaslServer::make("SCRAM-SHA-256-PLUS", options("one channel"));
  client = client_of("SCRAM-SHA-256-PLUS", accounts.password, "another");
  out = exchange(*server, *client, accounts);
  CHECK(out.server.why == Why::denied);
  CHECK_FALSE(client_of("SCRAM-SHA-256-PLUS", accounts.password));
}

TEST_CASE("downgrades from -PLUS are refused") {
  Accounts accounts;
  SaslServerStep step = first_step("SCRAM-SHA-256", "y,,n=tim,r=abc", "channel");  // -PLUS is offered, somebody removed it
  CHECK(step.why == Why::denied);
  CHECK(step.problem.find("removed") != step.problem.npos);
  CHECK(first_step("SCRAM-SHA-256", "y,,n=tim,r=abc").kind == Kind::ask);  // it is not offered
  auto server = SaslServer::make("SCRAM-SHA-256", options("channel"));  // a client that cannot bind
  auto client = client_of("SCRAM-SHA-256", accounts.password);
  CHECK(exchange(*server, *client, accounts).server.kind == Kind::accepted);
  CHECK(first_step("SCRAM-SHA-256", "p=tls-exporter,,n=tim,r=abc", "channel").why == Why::denied);
  CHECK(first_step("SCRAM-SHA-256-PLUS", "n,,n=tim,r=abc", "channel").why == Why::denied);
  CHECK(first_step("SCRAM-SHA-256-PLUS", "y,,n=tim,r=abc", "channel").why == Why::denied);
  CHECK(first_step("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=tim,r=abc", "channel").why == Why::denied);
  CHECK(first_step("SCRAM-SHA-256-PLUS", "p=tls-unique,,n=tim,r=abc", "channel").why == Why::denied);
}

TEST_CASE("first messages that make no sense") {
  for (std::string message : {std::string(), std::string("n"), std::string("n,,"), std::string("n,,n=tim"), std::string("n,,n=,r=abc"), std::string("n,,n=tim,r="),
                              std::string("n,,m=x,n=tim,r=abc"), std::string("x,,n=tim,r=abc"), std::string("n,,n=t\x01m,r=abc"), std::string("n,,n=\xff,r=abc"),
                              std::string("n,,n=t\0m,r=abc", 14), "n,,n=" + std::string(300, 'a') + ",r=abc", std::string(5000, 'n')}) {
    CAPTURE(message);
    SaslServerStep step = first_step("SCRAM-SHA-256", message);
    CHECK(step.kind == Kind::refused);
    CHECK(step.why == Why::malformed);
  }
  SaslServerStep step = first_step("SCRAM-SHA-256", "n,a=b=3Dc,n=a=2Cb,r=abc");
  CHECK(step.question.account == "a,b");
  CHECK(step.question.acting_as == "b=c");
}

TEST_CASE("final messages that make no sense, and messages behind the last") {
  Accounts accounts;
  for (std::string message : {std::string(), std::string("x"), std::string("c=biws"), std::string("c=biws,r=abc,p="), std::string("c=biws,r=abc,p=AAAA"),
                              std::string("c=biws,r=other,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), std::string(5000, 'c')}) {
    CAPTURE(message);
    auto server = SaslServer::make("SCRAM-SHA-256", options());
    (void)settled(*server, server->begin("n,,n=tim,r=abc", true), accounts);
    CHECK(server->answer(message).kind == Kind::refused);
    CHECK(server->answer(message).kind == Kind::refused);
  }
  auto server = SaslServer::make("SCRAM-SHA-256", options());
  auto client = client_of("SCRAM-SHA-256", accounts.password);
  SaslServerStep step = settled(*server, server->begin(*client->initial(), true), accounts);
  step = server->answer(*client->answer(step.octets));
  REQUIRE(step.kind == Kind::challenge);
  CHECK(step.octets.starts_with("v="));
  CHECK(server->answer("more").why == Why::malformed);
}

TEST_CASE("the client wants proof, and computes no more than it must") {
  Accounts accounts;
  auto client = client_of("SCRAM-SHA-256", accounts.password);
  std::string first = *client->initial();
  std::string nonce = first.substr(first.find("r=") + 2);
  CHECK_FALSE(client->finish());
  auto reply = client->answer("r=" + nonce + "x,s=QSXCR+Q6sek8bf92,i=4096");
  REQUIRE(reply);
  CHECK_FALSE(client->finish());  // a server that says yes without proof
  CHECK_FALSE(client->answer("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
  CHECK_FALSE(client->finish());
  for (const char* challenge : {"r=NONCEx,s=QSXCR+Q6sek8bf92,i=2000000000", "r=NONCEx,s=QSXCR+Q6sek8bf92,i=1", "r=other,s=QSXCR+Q6sek8bf92,i=4096", "v=AAAA", "", "junk",
                                "e=other-error", "r=NONCEx,s=!!!,i=4096"}) {
    CAPTURE(challenge);
    client = client_of("SCRAM-SHA-256", accounts.password);
    first = *client->initial();
    std::string text = challenge;
    if (size_t at = text.find("NONCE"); at != text.npos) text.replace(at, 5, first.substr(first.find("r=") + 2));
    CHECK_FALSE(client->answer(text));
    CHECK_FALSE(client->finish());
  }
}
