// What the plugin spf tells: replies and fields that strangers cannot spoil, reports of the commands.
#include "spf/words.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "mailauth/base/fake_dns.h"
#include "spf/check.h"
#include "spf/tree.h"

using namespace mailauth;
using namespace spf;

namespace {

SpfAnswer answer(SpfResult result, std::string domain = "a.test") {
  SpfAnswer out;
  out.result = result;
  out.domain = std::move(domain);
  out.identity = "mailfrom";
  return out;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a reply names client and domain, and what the domain says") {
  SpfAnswer one = answer(SpfResult::fail);
  CHECK(reply("{client} may not send mail for {domain} (SPF {result}, {identity})", one, "192.0.2.1", true) == "192.0.2.1 may not send mail for a.test (SPF fail, mailfrom)");
  one.explanation = "ask postmaster";
  CHECK(reply("no", one, "192.0.2.1", true) == "no; the domain explains: ask postmaster");
  CHECK(reply("no", one, "192.0.2.1", false) == "no");
  one.result = SpfResult::permerror;
  one.explanation.clear();
  one.problem = "two records";
  CHECK(reply("no", one, "192.0.2.1", true) == "SPF of a.test cannot be checked: two records");
}

TEST_CASE("a reply has no octets that a reply may not have, and fits") {
  SpfAnswer one = answer(SpfResult::permerror, "a.test\r\n250 ok");
  one.problem = std::string(10'000, 'x') + "\r\n";
  std::string text = reply("", one, "192.0.2.1", true);
  CHECK(text.size() <= 400);
  CHECK(std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7F; }));
  CHECK(reply("{domain}{domain}", answer(SpfResult::fail, "{domain}{domain}"), "::1", true).size() <= 400);
}

TEST_CASE("the field Received-SPF is quoted and folded") {
  SpfAnswer one = answer(SpfResult::pass);
  one.mechanism = "ip4:192.0.2.0/24";
  Told told{"mx.example.test", "192.0.2.1", "mail.a.test", "\"odd (\\\" name\"@a.test"};
  std::string value = received_spf(one, told);
  CHECK(value.starts_with("pass (mx.example.test: a.test designates 192.0.2.1 as permitted sender)\r\n\treceiver=mx.example.test; client-ip=192.0.2.1;\r\n\tenvelope-from=\"\\\"odd"));
  CHECK(has(value, "mechanism=\"ip4:192.0.2.0/24\""));
  told = {"mx.example.test", "2001:db8::1", "a\r\nX: y", ""};
  one = answer(SpfResult::temperror);
  one.problem = "a) (b \\";
  value = received_spf(one, told);
  CHECK(has(value, "client-ip=\"2001:db8::1\""));
  CHECK(has(value, "(mx.example.test: a? ?b ?)"));
  CHECK_FALSE(has(value, "\r\nX"));
}

TEST_CASE("the check of a client says the word, then the explanation, then each step") {
  FakeDns dns;
  dns.add("a.test", VRD_DNS_TXT, "v=spf1 include:b.test ip4:192.0.2.1 ?all exp=why.a.test").add("b.test", VRD_DNS_TXT, "v=spf1 mx -all").add("b.test", VRD_DNS_MX, "10 mx.b.test").add("mx.b.test", VRD_DNS_A, "192.0.2.2");
  SpfLimits limits;
  limits.steps = true;
  SpfQuery query{"192.0.2.1", "h.test", "u@a.test", "", 0};
  std::string text = check_text(run(check_spf(dns, query, limits)), query.ip, limits);
  CHECK(text.starts_with("pass\nchecked: a.test (MAIL FROM) for 192.0.2.1\ndecided by: ip4:192.0.2.1\nlook-ups: 2 of 10 terms that ask DNS, 0 of 2 void look-ups\n"));
  CHECK(has(text, "step:   b.test: mx: mx.b.test has no address that fits: no match"));
  CHECK(has(text, "step: a.test: include:b.test: b.test says fail: no match"));
  FakeDns gone;
  gone.add("a.test", VRD_DNS_TXT, "v=spf1 a:gone.test exists:%{i}.bl.test -all");
  text = check_text(run(check_spf(gone, query, limits)), query.ip, limits);
  CHECK(has(text, "fix: a.test: 'a:gone.test' finds nothing"));
  CHECK_FALSE(has(text, "bl.test' finds nothing"));
  FakeDns fail;
  fail.add("a.test", VRD_DNS_TXT, "v=spf1 -all exp=why.a.test").add("why.a.test", VRD_DNS_TXT, "%{i} is not ours");
  CHECK(check_text(run(check_spf(fail, query, limits)), query.ip, limits).starts_with("fail\nexplanation: 192.0.2.1 is not ours\n"));
  CHECK(nlohmann::json::parse(check_json(run(check_spf(fail, query, limits)), query.ip))["explanation"] == "192.0.2.1 is not ours");
}

TEST_CASE("what a domain publishes is followed, counted and judged") {
  FakeDns dns;
  dns.add("a.test", VRD_DNS_TXT, "v=spf1 include:b.test a:gone.test exists:%{i}.x.test redirect=c.test").add("b.test", VRD_DNS_TXT, "v=spf1 mx a -all");
  dns.add("b.test", VRD_DNS_MX, "10 m.b.test").add("b.test", VRD_DNS_AAAA, "2001:db8::1").add("c.test", VRD_DNS_TXT, "v=spf1 -all");
  std::string text = run(check_published(dns, "a.test")).text("a.test");
  CHECK(text.starts_with("valid a.test: 6 of 10 look-ups at most\n"));
  CHECK(has(text, "look-ups:   b.test: 2\n"));
  CHECK(has(text, "warning: a.test: 'a:gone.test' finds nothing"));
  CHECK_FALSE(has(text, "'a' finds nothing"));
  FakeDns loop;
  loop.add("a.test", VRD_DNS_TXT, "v=spf1 include:b.test -all").add("b.test", VRD_DNS_TXT, "v=spf1 include:a.test include:none.test -all");
  text = run(check_published(loop, "a.test")).text();
  CHECK(text.starts_with("invalid: a.test leads to itself"));
  CHECK(has(text, "problem: none.test does not exist"));
  FakeDns wide;
  wide.add("a.test", VRD_DNS_TXT, "v=spf1 include:b.test include:b.test -all").add("b.test", VRD_DNS_TXT, "v=spf1 a a a a a -all").add("b.test", VRD_DNS_A, "192.0.2.1");
  CHECK(has(run(check_published(wide, "a.test")).text(), "ask DNS 12 times"));
  FakeDns none;
  CHECK(run(check_published(none, "a.test")).word() == "none");
  CHECK(run(check_published(none.fail("b.test", VRD_DNS_TXT, VRD_E_TIMEOUT), "b.test")).word() == "unknown");
}

TEST_CASE("a tree without end costs a bounded number of questions") {
  FakeDns dns;
  for (int i = 0; i < 60; ++i) {
    std::string record = "v=spf1";
    for (int k = 1; k <= 60; ++k) record += " include:" + std::to_string((i * 7 + k) % 60) + ".test a:" + std::to_string(k) + ".x.test";
    dns.add(std::to_string(i) + ".test", VRD_DNS_TXT, record + " -all");
  }
  CHECK(run(check_published(dns, "0.test")).word() == "invalid");
  CHECK(dns.asked.size() <= 100);
}

TEST_CASE("advice on what is published") {
  auto warns = [](const char* record, const char* part) { return has(check_record(record).text(), part); };
  CHECK(warns("v=spf1 +all", "every host in the world"));
  CHECK(warns("v=spf1 mx -all a", "never looked at"));
  CHECK(warns("v=spf1 -all redirect=a.test", "the redirect is never used"));
  CHECK(warns("v=spf1 mx", "ends without 'all'"));
  CHECK(warns("v=spf1 ptr -all", "'ptr' is slow"));
  CHECK(warns("v=spf1 a a a a a a a a a a a -all", "more than 10"));
  CHECK(warns("v=spf1 ip4:1.0.0.0/7 -all", "256th"));
  CHECK(check_record("\"v=spf1 mx -all\"\r\n").text().starts_with("valid\nlook-ups: 1 terms"));
  CHECK(check_record("v=spf1 a:192.0.2.1 -all").text() == "invalid\nproblem: the term 'a:192.0.2.1': it ends in a number as addresses do; addresses are written with ip4 or ip6\n");
}
