// OAUTHBEARER with the examples of RFC 7628, and XOAUTH2.
#include "sasl/oauth_message.h"
#include "sasl/test_support.h"

using namespace veredus;
using namespace veredus::sasl_test;
using Kind = SaslServerStep::Kind;
using Why = SaslServerStep::Why;
using namespace std::string_literals;

namespace {

constexpr char kExample[] = "n,a=user@example.com,\x01host=server.example.com\x01port=143\x01" "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";

Accounts example_accounts() {
  Accounts out;
  out.account = "user@example.com";
  out.token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";
  return out;
}

SaslServerStep told(const std::string& mechanism, const std::string& message) {
  auto server = SaslServer::make(mechanism, options());
  return settled(*server, server->begin(message, true), example_accounts());
}

}  // namespace

TEST_CASE("OAUTHBEARER: the examples of RFC 7628, section 4") {
  SaslServerStep step = told("OAUTHBEARER", kExample);
  CHECK(step.kind == Kind::accepted);
  CHECK(step.account == "user@example.com");
  CHECK(write_oauthbearer("user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==", "server.example.com", 143) == kExample);

  auto server = SaslServer::make("OAUTHBEARER", options());  // section 4.3: a token that is refused
  step = settled(*server, server->begin("n,a=user@example.com,\x01host=h\x01port=143\x01" "auth=Bearer vF9d\x01\x01", true), example_accounts());
  CHECK(step.kind == Kind::challenge);
  CHECK(step.octets == R"({"status":"invalid_token"})");
  step = server->answer("\x01");
  CHECK(step.kind == Kind::refused);
  CHECK(step.why == Why::denied);
}

TEST_CASE("OAUTHBEARER: the token may say whose it is") {
  auto server = SaslServer::make("OAUTHBEARER", options());
  SaslServerStep step = server->begin("n,,\x01" "auth=Bearer abc\x01\x01", true);
  REQUIRE(step.kind == Kind::ask);
  CHECK(step.question.kind == AuthKind::token);
  CHECK(step.question.account == "");
  CHECK(step.question.secret == "abc");
  CHECK(server->told({AuthAnswer::Kind::ok, "me", {}, {}}).account == "me");
}

TEST_CASE("OAUTHBEARER: messages that make no sense") {
  for (const std::string& message : {""s, "\x01"s, "n,,"s, "n,,\x01\x01"s, "n,,\x01" "auth=Bearer x\x01"s, "n,,\x01" "auth=Bearer x"s, "n,,\x01" "auth=Basic x\x01\x01"s,
                                     "n,,\x01" "auth=Bearer \x01\x01"s, "n,,\x01" "auth=Bearer a b\x01\x01"s, "n,,\x01" "auth=Bearer x\x01" "auth=Bearer y\x01\x01"s,
                                     "p=tls-exporter,,\x01" "auth=Bearer x\x01\x01"s, "n,a=,\x01" "auth=Bearer x\x01\x01"s, "n,b=x,\x01" "auth=Bearer x\x01\x01"s,
                                     "n,a=x=2,\x01" "auth=Bearer x\x01\x01"s, "n,a=x,y,\x01" "auth=Bearer x\x01\x01"s, "n,,\x01=x\x01" "auth=Bearer x\x01\x01"s,
                                     "n,,\x01nothing\x01" "auth=Bearer x\x01\x01"s, "n,a=a\0b,\x01" "auth=Bearer x\x01\x01"s, "n,,\x01" "auth=Bearer x\0y\x01\x01"s,
                                     "n,a="s + std::string(256, 'a') + ",\x01" "auth=Bearer x\x01\x01"s, "n,,\x01" "auth=Bearer "s + std::string(8193, 'x') + "\x01\x01"s,
                                     std::string(20'000, 'n')}) {
    CAPTURE(message.substr(0, 60));
    SaslServerStep step = told("OAUTHBEARER", message);
    CHECK(step.kind == Kind::refused);
    CHECK(step.why == Why::malformed);
  }
  CHECK(told("OAUTHBEARER", "n,,\x01" "auth=Bearer "s + std::string(8192, 'x') + "\x01\x01"s).kind == Kind::challenge);
  auto server = SaslServer::make("OAUTHBEARER", options());
  (void)settled(*server, server->begin("n,,\x01" "auth=Bearer no\x01\x01", true), example_accounts());
  CHECK(server->answer("something").why == Why::malformed);
}

TEST_CASE("XOAUTH2") {
  auto accounts = example_accounts();
  SaslServerStep step = told("XOAUTH2", write_xoauth2(accounts.account, accounts.token));
  CHECK(step.kind == Kind::accepted);
  CHECK(write_xoauth2("someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg") ==
        "user=someuser@example.com\x01" "auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01");
  auto server = SaslServer::make("XOAUTH2", options());
  step = settled(*server, server->begin(write_xoauth2("user@example.com", "other"), true), accounts);
  CHECK(step.octets == R"({"status":"401","schemes":"Bearer"})");
  CHECK(server->answer("").why == Why::denied);
  for (const std::string& message : {""s, "user="s, "user=\x01" "auth=Bearer x\x01\x01"s, "user=a\x01\x01"s, "user=a\x01" "auth=Bearer x\x01"s, "auth=Bearer x\x01user=a\x01\x01"s})
    CHECK(told("XOAUTH2", message).why == Why::malformed);
}

TEST_CASE("clients with tokens") {
  Accounts accounts;
  for (const char* mechanism : {"OAUTHBEARER", "XOAUTH2"}) {
    for (bool good : {true, false}) {
      auto server = SaslServer::make(mechanism, options());
      auto client = SaslClient::make(mechanism, {.account = "tim", .acting_as = {}, .password = {}, .token = good ? accounts.token : "bad"}, "mx.test", 587, {});
      REQUIRE(client);
      Outcome out = exchange(*server, *client, accounts, good);
      CHECK(out.server.kind == (good ? Kind::accepted : Kind::refused));
      CHECK((out.server.why == Why::denied) == !good);
      CHECK(out.client.ok() == good);
    }
    CHECK_FALSE(SaslClient::make(mechanism, {.account = "tim", .acting_as = {}, .password = "x", .token = {}}, {}, 0, {}));
    CHECK_FALSE(SaslClient::make(mechanism, {.account = {}, .acting_as = {}, .password = {}, .token = "x"}, {}, 0, {}));
  }
}
