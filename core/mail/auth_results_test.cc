// Authentication-Results: the grammar of what is composed, hostile values, and recognising forged fields.
#include "mail/auth_results.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "mail/headers.h"

using namespace veredus;

namespace {

AuthResult result_of(std::string method, std::string result, std::string name = {}, std::string value = {}) {
  AuthResult out{std::move(method), std::move(result), {}, {}};
  if (!name.empty()) out.properties.emplace_back(std::move(name), std::move(value));
  return out;
}

std::string one(const AuthResult& result, bool utf8 = false) { return auth_results_value("mx.test", {&result, 1}, utf8); }

std::string with_value(std::string value, bool utf8 = false) {
  std::string whole = one(result_of("spf", "fail", "smtp.mailfrom", std::move(value)), utf8);
  return whole.substr(whole.find("mailfrom=") + 9);
}

}  // namespace

TEST_CASE("results are one field, one line each, folded where there is room for less") {
  AuthResult dkim = result_of("dkim", "pass", "header.d", "example.test");
  dkim.properties.emplace_back("header.s", "selector-of-this-year");
  dkim.properties.emplace_back("header.b", "AbCdEfGh");
  AuthResult spf = result_of("spf", "softfail", "smtp.mailfrom", "a@example.test");
  spf.reason = "not a \"designated\" sender";
  std::vector<AuthResult> both{dkim, spf};
  CHECK(auth_results_value("mx.test", both, false) ==
        "mx.test;\r\n\tdkim=pass header.d=example.test header.s=selector-of-this-year\r\n\theader.b=AbCdEfGh;\r\n"
        "\tspf=softfail reason=\"not a \\\"designated\\\" sender\"\r\n\tsmtp.mailfrom=a@example.test");
  CHECK(auth_results_value("mx.test", {}, false) == "mx.test; none");
}

TEST_CASE("values stand bare where the grammar lets them, else in quotes") {
  for (const char* plain : {"a", "a@b.test", "@b.test", "192.0.2.1", "a+b@c.test"}) CHECK(with_value(plain) == plain);
  for (const char* other : {"", "a b", "a;b", "x@y@z.test", "2001:db8::1", "a(b)", "a=b", "a@b c", "a@"})
    CHECK(with_value(other) == "\"" + std::string(other) + "\"");
  CHECK(with_value("a\"b\\c") == "\"a\\\"b\\\\c\"");
}

TEST_CASE("hostile values make no new line, no new result, and no octet above 127 where it may not be") {
  for (const char* bad : {"x\r\nBcc: victim@a.test", "x\nBcc: y", "x\r\n\r\nbody", "x\rBcc: y", "a\"; dkim=pass header.d=bank.test (",
                          "\\\" ; dmarc=pass", "x\x01\x7F"}) {
    std::string value = one(result_of("spf", "fail", "smtp.mailfrom", bad));
    auto field = make_field("Authentication-Results", value);
    REQUIRE(field.ok());
    std::string message = *field + "\r\n";
    auto block = HeaderBlock::parse(message);
    REQUIRE(block.ok());
    CHECK(block->fields().size() == 1);
    CHECK(block->size() == message.size());
    std::string inside = with_value(bad);
    for (size_t i = 1; i + 1 < inside.size(); ++i) {
      if (inside[i] == '\\') ++i;
      else CHECK(inside[i] != '"');
    }
  }
  CHECK(with_value("j\xC3\xBCrgen@a.test") == "\"j??rgen@a.test\"");
  CHECK(with_value("j\xC3\xBCrgen@a.test", true) == "\"j\xC3\xBCrgen@a.test\"");
  CHECK(with_value("j\xC3@a.test", true) == "\"j?@a.test\"");
}

TEST_CASE("a value that is too long is cut so that nobody takes it for whole, and no line is too long") {
  std::string cut = with_value(std::string(397, 'a') + "\xC3\xBC\xC3\xBC.test", true);
  CHECK(cut == "\"" + std::string(397, 'a') + "\xC3\xBC ...\"");
  std::string value = one(result_of("spf", "fail", "smtp.mailfrom", std::string(4000, '"')));
  for (size_t at = 0, end; at < value.size(); at = end + 1) {
    end = std::min(value.find('\n', at), value.size());
    CHECK(end - at <= 990);
  }
}

TEST_CASE("names that do not fit the grammar are refused") {
  CHECK(auth_result_problem(result_of("dkim/1", "pass", "policy.published-domain-policy", "x")).empty());
  for (const AuthResult& bad :
       {result_of("", "pass"), result_of("spf ", "pass"), result_of("spf", ""), result_of("spf", "pass; dkim=pass"), result_of("spf/x", "pass"),
        result_of("spf\r\n", "pass"), result_of("spf", "pass", "mailfrom", "x"), result_of("spf", "pass", "smtp.", "x"),
        result_of("spf", "pass", "smtp.mail from", "x"), result_of("spf", "pass", "smtp.mailfrom", std::string(4097, 'x'))})
    CHECK_FALSE(auth_result_problem(bad).empty());
  AuthResult crowded = result_of("spf", "pass");
  crowded.properties.assign(33, {"smtp.helo", "x"});
  CHECK_FALSE(auth_result_problem(crowded).empty());
}

TEST_CASE("fields that claim to be ours are recognised whatever their dress") {
  for (const char* ours : {" mx.test; none", " MX.Test; spf=pass", "mx.test", " mx.test 1; none", " mx.test/1; none", " (a (nested \\) one)) mx.test;",
                           "\r\n\t(c)\r\n mx.test(x); spf=pass", " \"mx.test\"; spf=pass", " \"mx\\.test\" ;", " mx.test.; none"})
    CHECK(claims_authserv_id(ours, "mx.test"));
  for (const char* others : {"", " ;", " other.test; none", " mx.test.evil; none", " xmx.test; none", " (mx.test) other.test;", " spf=pass; mx.test", " (mx.test",
                             " \"mx.test"})
    CHECK(claims_authserv_id(others, "mx.test") == (std::string_view(others) == " \"mx.test"));
}

TEST_CASE("of a header block only the forged ones are named, by occurrence") {
  std::string header =
      "Authentication-Results: other.test; none\r\nauthentication-RESULTS : mx.test; spf=pass\r\nX-Authentication-Results: mx.test;\r\n"
      "no field\r\nAuthentication-Results:\r\n MX.TEST;\r\n dkim=pass\r\n\r\nAuthentication-Results: mx.test; body\r\n";
  CHECK(claimed_results(header, "mx.test") == std::vector<uint32_t>{2, 3});
  CHECK(claimed_results("", "mx.test").empty());
}
