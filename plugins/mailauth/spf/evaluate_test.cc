// Evaluation beyond the public suite: questions asked, limits, hostile zones, bounds.
#include <doctest/doctest.h>

#include <algorithm>

#include "mailauth/base/fake_dns.h"
#include "mailauth/spf/spf.h"

using namespace mailauth;

namespace {

SpfAnswer check(FakeDns& dns, std::string sender = "u@a.test", std::string ip = "192.0.2.1", SpfLimits limits = {}) {
  SpfQuery query{std::move(ip), "h.test", std::move(sender), "rx.test", 1000};
  return run(check_spf(dns, query, limits));
}

FakeDns zone(std::string record) {
  FakeDns out;
  out.add("a.test", VRD_DNS_TXT, std::move(record));
  return out;
}

size_t asked(const FakeDns& dns, uint32_t type) {
  return static_cast<size_t>(std::count_if(dns.asked.begin(), dns.asked.end(), [&](const auto& one) { return one.second == type; }));
}

}  // namespace

TEST_CASE("no more is asked than the record needs") {
  FakeDns dns = zone("v=spf1 ip4:192.0.2.1 a mx include:b.test -all");
  SpfAnswer answer = check(dns);
  CHECK(answer.result == SpfResult::pass);
  CHECK(answer.mechanism == "ip4:192.0.2.1");
  CHECK(answer.lookups == 0);
  CHECK(dns.asked.size() == 1);
}

TEST_CASE("who is checked") {
  FakeDns dns = zone("v=spf1 -all");
  dns.add("h.test", VRD_DNS_TXT, "v=spf1 ip4:192.0.2.1 -all").add("xn--bcher-kva.test", VRD_DNS_TXT, "v=spf1 exists:%{l}.%{o} -all").add("x.xn--bcher-kva.test", VRD_DNS_A, "127.0.0.2");
  CHECK(check(dns, "").identity == "helo");
  CHECK(check(dns, "").result == SpfResult::pass);
  CHECK(check(dns, "u@A.TEST.").domain == "a.test");
  CHECK(check(dns, "a.test").result == SpfResult::fail);
  CHECK(check(dns, "x@b\xC3\xBC" "cher.test").result == SpfResult::pass);
  CHECK(check(dns, "\xC3\xBC@b\xC3\xBC" "cher.test").result == SpfResult::fail);
  CHECK(check(dns, "u@b\xFF.test").result == SpfResult::none);
  CHECK(check(dns, "u@a.test", "no address").result == SpfResult::none);
  CHECK(check(dns, "u@" + std::string(300, 'a') + ".test").result == SpfResult::none);
}

TEST_CASE("macros that expand without end, and loops of every kind, end as permerror or no match") {
  FakeDns loop = zone("v=spf1 include:a.test -all");
  CHECK(check(loop).result == SpfResult::permerror);
  CHECK(loop.asked.size() == 11);
  FakeDns redirect = zone("v=spf1 redirect=%{d}");
  CHECK(check(redirect).result == SpfResult::permerror);
  FakeDns growing = zone("v=spf1 include:x.%{d} -all");
  CHECK(check(growing).result == SpfResult::permerror);
  std::string spec;
  while (spec.size() < 30'000) spec += "%{s}";
  FakeDns macros = zone("v=spf1 exists:" + spec + " a:" + spec + ".test -all");
  CHECK(check(macros).result == SpfResult::fail);
  CHECK(macros.asked.size() == 1);
  FakeDns wide = zone("v=spf1 include:a.test include:a.test include:a.test include:a.test include:a.test -all");
  CHECK(check(wide).lookups == 11);
}

TEST_CASE("huge and hostile records have a result") {
  std::string huge = "v=spf1";
  for (int i = 0; i < 3000; ++i) huge += " ip4:198.51.100." + std::to_string(i % 256);
  FakeDns dns = zone(huge + " ip4:192.0.2.1 -all");
  CHECK(check(dns).result == SpfResult::pass);
  FakeDns chain;
  for (char c = 'a'; c < 'f'; ++c) chain.add(std::string(1, c) + ".test", VRD_DNS_TXT, huge + " include:" + static_cast<char>(c + 1) + ".test -all");
  CHECK(check(chain).result == SpfResult::permerror);
  for (const std::string& bad : {std::string("v=spf1 a:x.test\0 -all", 21), std::string("v=spf1 \xFF -all"), std::string("v=spf1 -all \x01"), std::string("v=spf1 exists:%{i")}) {
    FakeDns hostile = zone(bad);
    CHECK(check(hostile).result == SpfResult::permerror);
  }
  FakeDns other = zone(std::string(60'000, '\0'));
  CHECK(check(other).result == SpfResult::none);
}

TEST_CASE("thousands of records in an answer") {
  FakeDns addresses = zone("v=spf1 a -all");
  for (int i = 0; i < 5000; ++i) addresses.add("a.test", VRD_DNS_A, "198.51." + std::to_string(i / 250) + "." + std::to_string(i % 250));
  CHECK(check(addresses).result == SpfResult::fail);
  addresses.add("a.test", VRD_DNS_A, "192.0.2.1");
  CHECK(check(addresses).result == SpfResult::pass);
  FakeDns texts = zone("v=spf1 -all");
  for (int i = 0; i < 5000; ++i) texts.add("a.test", VRD_DNS_TXT, "text " + std::to_string(i));
  CHECK(check(texts).result == SpfResult::fail);
  FakeDns exchangers = zone("v=spf1 mx -all");
  for (int i = 0; i < 1000; ++i) exchangers.add("a.test", VRD_DNS_MX, "10 m" + std::to_string(i) + ".test");
  CHECK(check(exchangers).result == SpfResult::permerror);
  CHECK(asked(exchangers, VRD_DNS_A) == 0);
  FakeDns names = zone("v=spf1 ptr:x.test exists:%{p}.y.test -all");
  for (int i = 0; i < 1000; ++i) names.add("1.2.0.192.in-addr.arpa", VRD_DNS_PTR, "n" + std::to_string(i) + ".x.test");
  CHECK(check(names).result == SpfResult::fail);
  FakeDns again = zone("v=spf1 exists:%{p}.1.x.test exists:%{p}.2.x.test -all exp=%{p}.why.test");
  again.add("1.2.0.192.in-addr.arpa", VRD_DNS_PTR, "n.a.test").add("n.a.test", VRD_DNS_A, "192.0.2.1");
  CHECK(check(again).result == SpfResult::fail);
  CHECK(asked(again, VRD_DNS_A) == 3);
  CHECK(again.asked.back().first == "n.a.test.why.test");
  CHECK(asked(names, VRD_DNS_PTR) == 1);
  CHECK(asked(names, VRD_DNS_A) == 21);
}

TEST_CASE("void look-ups are counted where the domain answers for them") {
  FakeDns three = zone("v=spf1 a:1.x.test mx:2.x.test exists:3.x.test -all");
  CHECK(check(three).result == SpfResult::permerror);
  SpfLimits more;
  more.void_lookups = 3;
  CHECK(check(three, "u@a.test", "192.0.2.1", more).result == SpfResult::fail);
  FakeDns client = zone("v=spf1 ptr:x.test ptr:y.test ptr:z.test exists:%{p}.b.test -all exp=e.test");
  CHECK(check(client).result == SpfResult::fail);
  CHECK(check(client).void_lookups == 1);
}

TEST_CASE("the order of mail exchangers, and a failure that comes after the match") {
  FakeDns dns = zone("v=spf1 mx -all");
  dns.add("a.test", VRD_DNS_MX, "20 bad.test").add("a.test", VRD_DNS_MX, "10 good.test").add("good.test", VRD_DNS_A, "192.0.2.1").fail("bad.test", VRD_DNS_A, VRD_E_TIMEOUT);
  CHECK(check(dns).result == SpfResult::pass);
  SpfAnswer other = check(dns, "u@a.test", "192.0.2.9");
  CHECK(other.result == SpfResult::temperror);
  CHECK(other.problem == "the A records of bad.test cannot be looked up now: no answer in time");
}

TEST_CASE("DNS that fails at each step") {
  const std::pair<const char*, std::pair<const char*, uint32_t>> kSteps[] = {{"v=spf1 -all", {"a.test", VRD_DNS_TXT}}, {"v=spf1 a -all", {"a.test", VRD_DNS_A}}, {"v=spf1 mx -all", {"a.test", VRD_DNS_MX}},
                                                                              {"v=spf1 exists:e.test -all", {"e.test", VRD_DNS_A}}, {"v=spf1 include:i.test -all", {"i.test", VRD_DNS_TXT}},
                                                                              {"v=spf1 redirect=r.test", {"r.test", VRD_DNS_TXT}}};
  for (const auto& [record, step] : kSteps) {
    CAPTURE(record);
    FakeDns dns = zone(record);
    dns.fail(step.first, step.second, VRD_E_TIMEOUT);
    CHECK(check(dns).result == SpfResult::temperror);
    FakeDns malformed = zone(record);
    malformed.fail(step.first, step.second, VRD_E_TEMPORARY);
    CHECK(check(malformed).result == SpfResult::temperror);
  }
  FakeDns ptr = zone("v=spf1 ptr -all exp=why.test");
  ptr.fail("1.2.0.192.in-addr.arpa", VRD_DNS_PTR, VRD_E_TIMEOUT).fail("why.test", VRD_DNS_TXT, VRD_E_TIMEOUT);
  SpfAnswer answer = check(ptr);
  CHECK(answer.result == SpfResult::fail);
  CHECK(answer.explanation.empty());
}

TEST_CASE("explanations are 7-bit, bounded, and of the record that decides") {
  auto explained = [](const std::string& text, SpfLimits limits = {}) {
    FakeDns dns = zone("v=spf1 -all exp=why.test");
    dns.add("why.test", VRD_DNS_TXT, text);
    return check(dns, "u@a.test", "192.0.2.1", limits).explanation;
  };
  CHECK(explained("%{c} at %{t} by %{r}: %{d}") == "192.0.2.1 at 1000 by rx.test: a.test");
  CHECK(explained("\xC3\xA4").empty());
  CHECK(explained("a\nb").empty());
  CHECK(explained("100%").empty());
  SpfLimits limits;
  limits.explanation = 10;
  CHECK(explained(std::string(1000, 'x'), limits).size() == 10);
  FakeDns passes = zone("v=spf1 +all exp=why.test");
  passes.add("why.test", VRD_DNS_TXT, "x");
  CHECK(check(passes).explanation.empty());
  CHECK(passes.asked.size() == 1);
}

TEST_CASE("limits may be set, and steps are bounded") {
  FakeDns dns = zone("v=spf1 a:1.x.test a:2.x.test ip4:192.0.2.1 -all");
  dns.add("1.x.test", VRD_DNS_A, "198.51.100.1").add("2.x.test", VRD_DNS_A, "198.51.100.1");
  SpfLimits one;
  one.lookups = 1;
  CHECK(check(dns, "u@a.test", "192.0.2.1", one).result == SpfResult::permerror);
  std::string many = "v=spf1";
  for (int i = 0; i < 3000; ++i) many += " ip4:198.51.100.1";
  FakeDns steps = zone(many);
  SpfLimits told;
  told.steps = true;
  CHECK(check(steps, "u@a.test", "192.0.2.1", told).steps.size() == 500);
}
