// Tests of questions, responses, addresses and the cache.
#include <veredus/svc_auth.h>

#include "cache.h"

#include <doctest/doctest.h>

using namespace auth_http;

namespace {

std::string problem_of(uint32_t code, std::string_view body, uint32_t kind = VRD_AUTH_PASSWORD) {
  Outcome outcome = read_response(kind, code, body);
  CHECK_FALSE(outcome.known);
  return outcome.problem;
}

}  // namespace

TEST_CASE("questions") {
  CHECK(request_body({VRD_AUTH_PASSWORD, "PLAIN", "tim", "", "a\"b", "192.0.2.7"}) ==
        R"({"kind":"password","mechanism":"PLAIN","account":"tim","acting_as":"","client":"192.0.2.7","password":"a\"b"})");
  CHECK(request_body({VRD_AUTH_TOKEN, "OAUTHBEARER", "", "", "abc", "::1"}) ==
        R"({"kind":"token","mechanism":"OAUTHBEARER","account":"","acting_as":"","client":"::1","token":"abc"})");
  CHECK(request_body({VRD_AUTH_SECRET, "SCRAM-SHA-256", "tim", "info", "", "::1"}) ==
        R"({"kind":"secret","mechanism":"SCRAM-SHA-256","account":"tim","acting_as":"info","client":"::1"})");
  CHECK(request_body({VRD_AUTH_EXTERNAL, "EXTERNAL", "tim", "", "SHA256:AB", "::1"}).find(R"("certificate":"SHA256:AB")") != std::string::npos);
  CHECK(request_body({VRD_AUTH_PASSWORD, "PLAIN", "tim\xff", "", "x", ""}) == "");
  CHECK(request_body({VRD_AUTH_PASSWORD, "PLAIN", "tim", "", "\xc3", ""}) == "");
  CHECK(request_body({9, "PLAIN", "tim", "", "x", ""}) == "");
}

TEST_CASE("responses") {
  Outcome outcome = read_response(VRD_AUTH_PASSWORD, 200, R"({"ok":true,"account":"Tim","tenant":"acme","more":[1]})");
  REQUIRE(outcome.known);
  CHECK(outcome.known->account == "Tim");
  CHECK(outcome.known->tenant == "acme");
  CHECK(read_response(VRD_AUTH_PASSWORD, 200, R"({"ok":true,"tenant":null})").known->account == "");
  CHECK(problem_of(200, R"({"ok":false,"account":"Tim"})") == "");
  CHECK(problem_of(200, "{}") == "the response has no 'ok' that is true or false");
  CHECK(problem_of(200, R"({"ok":"true"})") == "the response has no 'ok' that is true or false");
  CHECK(problem_of(200, R"({"ok":1})") == "the response has no 'ok' that is true or false");
  CHECK(problem_of(200, R"({"ok":true,"account":7})") == "account, tenant or secret of the response is not a text");
  CHECK(problem_of(200, R"([true])") == "the response is no JSON object");
  CHECK(problem_of(200, "<html>") == "the response is no JSON object");
  CHECK(problem_of(200, "") == "the response is no JSON object");
  CHECK(problem_of(200, std::string(300'000, '[')) == "the response is larger than 256 KiB");
  CHECK(problem_of(401, R"({"ok":true})") == "status 401");
  CHECK(problem_of(200, R"({"ok":true})", VRD_AUTH_SECRET) == "the response has no 'secret'");
  CHECK(read_response(VRD_AUTH_SECRET, 200, R"({"ok":true,"secret":"SCRAM-SHA-256$"})").known->secret == "SCRAM-SHA-256$");
}

TEST_CASE("passwords do not travel in clear") {
  CHECK(url_problem("https://api.test/auth", false, false) == "");
  CHECK(url_problem("http://127.0.0.1:8080/", false, false) == "");
  CHECK(url_problem("http://localhost/", false, false) == "");
  CHECK(url_problem("http://[::1]:80/", false, false) == "");
  CHECK(url_problem("http://api.test/", true, false) == "");
  CHECK(url_problem("http://api.test/", false, true) == "");
  for (const char* url : {"http://api.test/", "http://192.0.2.1/", "http://127.0.0.1.evil.test/", "http://localhost@evil.test/", "http://localhost.evil.test", "http://[2001:db8::1]/"}) {
    CAPTURE(url);
    CHECK(url_problem(url, false, false).starts_with("would send passwords in clear"));
  }
  CHECK(url_problem("ftp://x/", true, true) == "must begin with https:// or http://");
}

TEST_CASE("the cache: exact questions, an end, a bound") {
  Cache cache(2);
  Question question{VRD_AUTH_PASSWORD, "PLAIN", "tim", "", "x", "192.0.2.7"};
  Digest digest = cache.digest(question);
  cache.put(digest, {"Tim", "acme", ""}, 100);
  CHECK(cache.find(digest, 99)->account == "Tim");
  CHECK_FALSE(cache.find(digest, 100));
  Question other = question;
  other.client = "192.0.2.8";
  CHECK(cache.digest(other) == digest);
  for (Question one : {Question{VRD_AUTH_TOKEN, "PLAIN", "tim", "", "x", ""}, Question{VRD_AUTH_PASSWORD, "LOGIN", "tim", "", "x", ""},
                       Question{VRD_AUTH_PASSWORD, "PLAIN", "ti", "m", "x", ""}, Question{VRD_AUTH_PASSWORD, "PLAIN", "tim", "", "y", ""}})
    CHECK(cache.digest(one) != digest);
  CHECK(Cache(1).digest(question) != digest);  // another key
  question.secret = "2";
  cache.put(cache.digest(question), {"2", "", ""}, 100);
  question.secret = "3";
  cache.put(cache.digest(question), {"3", "", ""}, 100);
  CHECK(cache.size() == 2);
  CHECK_FALSE(cache.find(digest, 1));
  Cache none(0);
  none.put(none.digest(question), {"x", "", ""}, 100);
  CHECK_FALSE(none.find(none.digest(question), 1));
}
