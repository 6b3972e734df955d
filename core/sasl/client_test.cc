// The client's PLAIN and LOGIN, and which mechanism it takes.
#include "sasl/test_support.h"

using namespace veredus;
using namespace veredus::sasl_test;
using Kind = SaslServerStep::Kind;
using namespace std::string_literals;

namespace {

std::unique_ptr<SaslClient> client_of(std::string_view mechanism, SaslCredentials credentials) {
  return SaslClient::make(mechanism, std::move(credentials), "mx.test", 587, {});
}

std::string chosen(const std::vector<std::string>& offered, const SaslCredentials& credentials, bool confidential = true, bool binding = false,
                   const std::vector<std::string>& allowed = {}) {
  return choose_mechanism(offered, allowed, credentials, confidential, binding);
}

}  // namespace

TEST_CASE("PLAIN and LOGIN against our own server") {
  Accounts accounts;
  for (const char* mechanism : {"PLAIN", "LOGIN"}) {
    for (bool initial : {true, false}) {
      for (const std::string& password : {accounts.password, "wrong"s}) {
        auto server = SaslServer::make(mechanism, options());
        auto client = client_of(mechanism, {.account = "tim", .acting_as = {}, .password = password, .token = {}});
        Outcome out = exchange(*server, *client, accounts, initial);
        CHECK(out.client);
        CHECK(out.server.kind == (password == "wrong" ? Kind::refused : Kind::accepted));
      }
    }
    CHECK_FALSE(client_of(mechanism, {.account = "tim", .acting_as = {}, .password = {}, .token = "x"}));
  }
  CHECK_FALSE(client_of("CRAM-MD5", {.account = "tim", .acting_as = {}, .password = "x", .token = {}}));
  CHECK_FALSE(client_of("EXTERNAL", {.account = "tim", .acting_as = {}, .password = "x", .token = {}}));
}

TEST_CASE("what goes over the wire") {
  SaslCredentials credentials{.account = "tim", .acting_as = "ursel", .password = "pw", .token = {}};
  auto client = client_of("PLAIN", credentials);
  CHECK(client->speaks_first());
  CHECK(*client->initial() == "ursel\0tim\0pw"s);
  CHECK_FALSE(client->answer("more"));
  CHECK_FALSE(client->answer(""));
  client = client_of("LOGIN", credentials);
  CHECK_FALSE(client->speaks_first());
  CHECK(*client->answer("") == "tim");
  CHECK(*client->answer("anything") == "pw");
  CHECK_FALSE(client->answer("again"));
}

TEST_CASE("the best mechanism that everybody agrees on") {
  SaslCredentials password{.account = "tim", .acting_as = {}, .password = "x", .token = {}};
  SaslCredentials token{.account = "tim", .acting_as = {}, .password = {}, .token = "x"};
  std::vector<std::string> all{"login", "PLAIN", "xoauth2", "OAUTHBEARER", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "EXTERNAL", "NTLM"};
  CHECK(chosen(all, password, true, true) == "SCRAM-SHA-256-PLUS");
  CHECK(chosen(all, password, true, false) == "SCRAM-SHA-256");
  CHECK(chosen(all, password, false, false) == "SCRAM-SHA-256");
  CHECK(chosen({"LOGIN", "PLAIN"}, password) == "PLAIN");
  CHECK(chosen({"LOGIN", "PLAIN"}, password, false) == "");
  CHECK(chosen(all, password, true, true, {"login", "PLAIN"}) == "PLAIN");
  CHECK(chosen(all, password, true, true, {"XOAUTH2"}) == "");
  CHECK(chosen(all, token) == "OAUTHBEARER");
  CHECK(chosen(all, token, false) == "");
  CHECK(chosen({"XOAUTH2"}, token) == "XOAUTH2");
  CHECK(chosen({}, password) == "");
  CHECK(chosen({"NTLM", "CRAM-MD5"}, password) == "");
}
