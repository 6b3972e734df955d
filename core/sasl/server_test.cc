// The server's PLAIN, LOGIN and EXTERNAL, and what all mechanisms share.
#include "sasl/names.h"
#include "sasl/test_support.h"

using namespace veredus;
using namespace veredus::sasl_test;
using Kind = SaslServerStep::Kind;
using Why = SaslServerStep::Why;
using namespace std::string_literals;

namespace {

SaslServerStep plain(const std::string& message, const Accounts& accounts = {}) {
  auto server = SaslServer::make("PLAIN", options());
  return settled(*server, server->begin(message, true), accounts);
}

}  // namespace

TEST_CASE("PLAIN: the examples of RFC 4616") {
  Accounts accounts;
  SaslServerStep step = plain("\0tim\0tanstaaftanstaaf"s, accounts);
  CHECK(step.kind == Kind::accepted);
  CHECK(step.account == "tim");
  CHECK(step.acting_as == "");
  CHECK(step.tenant == "acme");
  accounts = {.account = "Kurt", .password = "xipj3plmq", .token = {}, .fingerprint = {}, .delegate = "Ursel"};
  step = plain("Ursel\0Kurt\0xipj3plmq"s, accounts);
  CHECK(step.kind == Kind::accepted);
  CHECK(step.account == "Kurt");
  CHECK(step.acting_as == "Ursel");
  CHECK(plain("Other\0Kurt\0xipj3plmq"s, accounts).kind == Kind::refused);
}

TEST_CASE("PLAIN: what is asked, wrong passwords, and providers that cannot tell") {
  auto server = SaslServer::make("plain", options());
  SaslServerStep step = server->begin({}, false);
  CHECK(step.kind == Kind::challenge);
  CHECK(step.octets == "");
  step = server->answer("tim\0tim\0wrong"s);
  REQUIRE(step.kind == Kind::ask);
  CHECK(step.question.kind == AuthKind::password);
  CHECK(step.question.mechanism == "PLAIN");
  CHECK(step.question.account == "tim");
  CHECK(step.question.acting_as == "");
  CHECK(step.question.secret == "wrong");
  step = server->told({AuthAnswer::Kind::denied, {}, {}, {}});
  CHECK(step.kind == Kind::refused);
  CHECK(step.why == Why::denied);
  CHECK(step.account == "tim");
  CHECK(step.problem == "PLAIN: unknown account or wrong password");
  Accounts broken;
  broken.broken = true;
  CHECK(plain("\0tim\0tanstaaftanstaaf"s, broken).why == Why::temporary);
}

TEST_CASE("PLAIN: messages that make no sense") {
  for (const std::string& message : {""s, "tim"s, "\0"s, "\0\0"s, "\0\0x"s, "\0tim\0"s, "\0tim"s, "\0t\x01m\0x"s, "\0t\x7fm\0x"s, "\0\xff\0x"s, "a\0tim\0x\0y"s,
                                     "\r\n\0tim\0x"s, "\0"s + std::string(256, 'a') + "\0x"s, "\0tim\0"s + std::string(1025, 'x'), std::string(5000, '\0')}) {
    CAPTURE(message);
    SaslServerStep step = plain(message);
    CHECK(step.kind == Kind::refused);
    CHECK(step.why == Why::malformed);
    CHECK(step.problem.starts_with("PLAIN: "));
  }
  CHECK(plain("\0"s + std::string(255, 'a') + "\0x"s).why == Why::denied);
}

TEST_CASE("names are compared as SASLprep makes them, passwords as they came") {
  auto server = SaslServer::make("PLAIN", options());
  SaslServerStep step = server->begin("\0I\xc2\xadX\xc2\xa0y\0p\xc2\xaaw"s, true);
  REQUIRE(step.kind == Kind::ask);
  CHECK(step.question.account == "IX y");
  CHECK(step.question.secret == "p\xc2\xaaw");
  server = SaslServer::make("LOGIN", options());
  (void)server->begin("tim", true);
  CHECK(server->answer("p\xc2\xaaw").question.secret == "p\xc2\xaaw");
  CHECK(*sasl_password("p\xc2\xaaw") == "paw");
  CHECK_FALSE(sasl_password("a\x07"));
  CHECK_FALSE(sasl_name("\xe2\x80\x8e", "x"));  // left-to-right mark
}

TEST_CASE("LOGIN with and without an initial response") {
  Accounts accounts;
  auto server = SaslServer::make("LOGIN", options());
  CHECK(server->begin({}, false).octets == "Username:");
  CHECK(server->answer("tim").octets == "Password:");
  SaslServerStep step = server->answer("tanstaaftanstaaf");
  REQUIRE(step.kind == Kind::ask);
  CHECK(step.question.mechanism == "LOGIN");
  CHECK(server->told(accounts.answer(step.question)).kind == Kind::accepted);

  server = SaslServer::make("LOGIN", options());
  CHECK(server->begin("tim", true).octets == "Password:");
  step = settled(*server, server->answer("wrong"), accounts);
  CHECK(step.why == Why::denied);
  for (const std::string& name : {""s, "a\0b"s, "a\nb"s, "\xc3"s, std::string(300, 'a')}) {
    server = SaslServer::make("LOGIN", options());
    (void)server->begin({}, false);
    step = server->answer(name);
    if (step.kind == Kind::challenge) step = server->answer("x");
    CAPTURE(name);
    CHECK(step.kind == Kind::refused);
    CHECK(step.why == Why::malformed);
  }
  for (const std::string& password : {""s, "a\0b"s}) {
    server = SaslServer::make("LOGIN", options());
    (void)server->begin("tim", true);
    step = server->answer(password);
    CAPTURE(password);
    CHECK(step.kind == Kind::refused);
    CHECK(step.why == Why::malformed);
  }
}

TEST_CASE("EXTERNAL: whose certificate it is") {
  Accounts accounts;
  SaslServerOptions shown = options();
  shown.certificate = "SHA256:AB";
  auto server = SaslServer::make("EXTERNAL", shown);
  SaslServerStep step = server->begin("tim", true);
  REQUIRE(step.kind == Kind::ask);
  CHECK(step.question.kind == AuthKind::external);
  CHECK(step.question.account == "tim");
  CHECK(step.question.secret == "SHA256:AB");
  CHECK(server->told(accounts.answer(step.question)).kind == Kind::accepted);

  server = SaslServer::make("EXTERNAL", shown);  // the provider has to know
  step = server->begin("", true);
  REQUIRE(step.kind == Kind::ask);
  CHECK(step.question.account == "");
  CHECK(server->told({AuthAnswer::Kind::ok, {}, {}, {}}).why == Why::temporary);
  shown.certificate_name = "tim";
  server = SaslServer::make("EXTERNAL", shown);
  CHECK(server->begin({}, false).kind == Kind::challenge);
  step = settled(*server, server->answer(""), accounts);
  CHECK(step.kind == Kind::accepted);
  CHECK(step.account == "tim");
  shown.certificate_name = "Tim Tester";  // nobody's name: then by the fingerprint alone
  server = SaslServer::make("EXTERNAL", shown);
  step = server->begin("", true);
  CHECK(step.question.account == "Tim Tester");
  step = server->told({AuthAnswer::Kind::denied, {}, {}, {}});
  REQUIRE(step.kind == Kind::ask);
  CHECK(step.question.account == "");
  CHECK(step.question.secret == "SHA256:AB");
  CHECK(server->told({AuthAnswer::Kind::denied, {}, {}, {}}).why == Why::denied);
  shown.certificate_name = "a\nb";
  server = SaslServer::make("EXTERNAL", shown);
  CHECK(server->begin("", true).question.account == "");
  shown.certificate_name = "tim";
  server = SaslServer::make("EXTERNAL", shown);
  step = settled(*server, server->begin("other", true), accounts);
  CHECK(step.problem == "EXTERNAL: the certificate is not one of the account");
  CHECK(SaslServer::make("EXTERNAL", options())->begin("tim", true).why == Why::denied);
  CHECK(SaslServer::make("EXTERNAL", shown)->begin("t\0m"s, true).why == Why::malformed);
}

TEST_CASE("calls out of order are refused") {
  auto server = SaslServer::make("PLAIN", options());
  CHECK(server->answer("x").kind == Kind::refused);
  server = SaslServer::make("PLAIN", options());
  CHECK(server->told({AuthAnswer::Kind::ok, "tim", {}, {}}).kind == Kind::refused);
  server = SaslServer::make("PLAIN", options());
  (void)server->begin("\0tim\0x"s, true);
  CHECK(server->begin("\0tim\0x"s, true).kind == Kind::refused);
  CHECK(server->told({AuthAnswer::Kind::ok, "tim", {}, {}}).kind == Kind::refused);  // it is over
}

TEST_CASE("which mechanisms there are") {
  for (std::string_view name : sasl_mechanisms()) CHECK(SaslServer::make(name, options("binding")));
  CHECK_FALSE(SaslServer::make("CRAM-MD5", options()));
  CHECK_FALSE(SaslServer::make("", options()));
  CHECK_FALSE(SaslServer::make("SCRAM-SHA-256-PLUS", options()));
  CHECK(sasl_needs("scram-sha-256") == AuthKind::secret);
  CHECK(sasl_needs("XOAUTH2") == AuthKind::token);
  CHECK(sasl_shows_password("LOGIN"));
  CHECK(sasl_shows_password("OAUTHBEARER"));
  CHECK_FALSE(sasl_shows_password("SCRAM-SHA-256"));
  CHECK_FALSE(sasl_shows_password("EXTERNAL"));
}
