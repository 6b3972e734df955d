// Walks up the tree, alignment, policies: examples as in RFC 9989 appendix B, and what goes wrong.
#include <doctest/doctest.h>

#include <algorithm>

#include "mailauth/base/fake_dns.h"
#include "mailauth/dmarc/destinations.h"
#include "mailauth/dmarc/dmarc.h"

using namespace mailauth;

namespace {

void publish(FakeDns& dns, const std::string& domain, const std::string& record) { dns.add("_dmarc." + domain, VRD_DNS_TXT, record); }

std::string org(FakeDns& dns, const std::string& domain) {
  Discovery discovery(dns);
  return run(discovery.org_domain(domain)).domain;
}

std::vector<std::string> names_asked(const FakeDns& dns) {
  std::vector<std::string> out;
  for (const auto& [name, type] : dns.asked) out.push_back(name);
  return out;
}

DmarcAnswer check(FakeDns& dns, DmarcInput input) { return run(check_dmarc(dns, std::move(input), {})); }
DmarcAnswer check_spf(FakeDns& dns, const std::string& author, const std::string& spf, const std::string& result = "pass") {
  return check(dns, {{author}, {{spf, result}}, {}});
}
DmarcAnswer check_dkim(FakeDns& dns, const std::string& author, const std::string& domain, const std::string& result = "pass") {
  return check(dns, {{author}, {}, {{domain, "s", result}}});
}

}  // namespace

TEST_CASE("a walk asks for eight names at most") {
  CHECK(walk_of("a.b.c.d.e.f.g.h.i.j.mail.example.test") ==
        std::vector<std::string>{"a.b.c.d.e.f.g.h.i.j.mail.example.test", "g.h.i.j.mail.example.test", "h.i.j.mail.example.test",
                                 "i.j.mail.example.test", "j.mail.example.test", "mail.example.test", "example.test", "test"});
  CHECK(walk_of("1.2.3.4.5.6.7.8").size() == 8);
  CHECK(walk_of("1.2.3.4.5.6.7.8.9").size() == 8);
  CHECK(walk_of("1.2.3.4.5.6.7").size() == 7);
  CHECK(walk_of("test") == std::vector<std::string>{"test"});
  CHECK(walk_of("").empty());
}

TEST_CASE("the organisational domain is the highest one with a record") {
  FakeDns dns;
  publish(dns, "example.test", "v=DMARC1; p=none");
  publish(dns, "signing.example.test", "v=DMARC1; p=none");
  CHECK(org(dns, "example.test") == "example.test");
  CHECK(org(dns, "signing.example.test") == "example.test");
  CHECK(org(dns, "a.b.c.d.e.f.g.h.i.j.k.example.test") == "example.test");
  CHECK(org(dns, "nothing.at-all.test") == "nothing.at-all.test");
}

TEST_CASE("psd=n ends the walk, psd=y puts the organisational domain one label below") {
  FakeDns dns;
  publish(dns, "bank.example", "v=DMARC1; p=reject; psd=y");
  publish(dns, "giant.bank.example", "v=DMARC1; p=reject");
  publish(dns, "unit.giant.bank.example", "v=DMARC1; psd=n");
  CHECK(org(dns, "giant.bank.example") == "giant.bank.example");
  CHECK(org(dns, "mail.giant.bank.example") == "giant.bank.example");
  CHECK(org(dns, "mail.mega.bank.example") == "mega.bank.example");
  CHECK(org(dns, "mega.bank.example") == "mega.bank.example");
  CHECK(org(dns, "a.unit.giant.bank.example") == "unit.giant.bank.example");
  CHECK(org(dns, "unit.giant.bank.example") == "unit.giant.bank.example");
  CHECK(org(dns, "bank.example") == "bank.example");  // where the walk starts, psd=y only ends it
}

TEST_CASE("several records count as none, others are not looked at") {
  FakeDns dns;
  publish(dns, "a.test", "v=DMARC1; p=reject");
  publish(dns, "a.test", "v=DMARC1; p=none");
  publish(dns, "b.test", "v=spf1 -all");
  publish(dns, "b.test", "v=DMARC1; p=reject");
  Discovery discovery(dns);
  RecordAt at = run(discovery.policy_for("a.test"));
  CHECK_FALSE(at.record);
  CHECK(at.problem.find("2 DMARC records") != std::string::npos);
  CHECK(run(discovery.policy_for("b.test")).record->p == DmarcPolicy::reject);
}

TEST_CASE("an answer is asked for once a message") {
  FakeDns dns;
  publish(dns, "example.test", "v=DMARC1; p=reject");
  CHECK(check(dns, {{"a.example.test"}, {{"b.example.test", "pass"}}, {{"b.example.test", "s", "pass"}, {"elsewhere.test", "s", "pass"}}})
            .result == "pass");
  std::vector<std::string> asked = names_asked(dns);
  std::sort(asked.begin(), asked.end());
  CHECK(asked == std::vector<std::string>{"_dmarc.a.example.test", "_dmarc.b.example.test", "_dmarc.example.test", "_dmarc.test"});
}

TEST_CASE("alignment: relaxed and strict") {
  struct Row {
    const char *tags, *author, *identifier, *result;
  };
  for (const Row& row : std::vector<Row>{
           {"", "example.test", "example.test", "pass"},
           {"", "news.example.test", "example.test", "pass"},
           {"", "example.test", "news.example.test", "pass"},
           {"", "news.example.test", "foo.example.test", "pass"},
           {"", "news.example.test", "EXAMPLE.test.", "pass"},
           {"", "news.example.test", "foo.other.test", "fail"},
           {"", "example.test", "notexample.test", "fail"},
           {"", "example.test", "test", "fail"},
           {"", "example.test", "", "fail"},
           {"", "example.test", "a(.b", "fail"},
           {"; adkim=s; aspf=s", "example.test", "example.test", "pass"},
           {"; adkim=s; aspf=s", "example.test", "news.example.test", "fail"},
           {"; adkim=s; aspf=s", "news.example.test", "example.test", "fail"},
       }) {
    CAPTURE(row.tags);
    CAPTURE(row.author);
    CAPTURE(row.identifier);
    FakeDns dns;
    publish(dns, "example.test", std::string("v=DMARC1; p=reject") + row.tags);
    DmarcAnswer spf = check_spf(dns, row.author, row.identifier), dkim = check_dkim(dns, row.author, row.identifier);
    CHECK(spf.result == row.result);
    CHECK(dkim.result == row.result);
    CHECK(spf.spf_aligned == (spf.result == "pass"));
    CHECK(dkim.aligned_dkim.size() == (dkim.result == "pass" ? 1 : 0));
  }
}

TEST_CASE("adkim and aspf are apart") {
  FakeDns dns;
  publish(dns, "example.test", "v=DMARC1; p=reject; adkim=s");
  CHECK(check_spf(dns, "example.test", "a.example.test").result == "pass");
  CHECK(check_dkim(dns, "example.test", "a.example.test").result == "fail");
}

TEST_CASE("only what passes counts") {
  FakeDns dns;
  publish(dns, "example.test", "v=DMARC1; p=reject");
  for (const char* result : {"fail", "softfail", "neutral", "none", "permerror", "policy", "PASS", ""}) {
    CHECK(check_spf(dns, "example.test", "example.test", result).result == "fail");
    CHECK(check_dkim(dns, "example.test", "example.test", result).result == "fail");
  }
  DmarcAnswer both =
      check(dns, {{"example.test"}, {{"example.test", "fail"}}, {{"evil.test", "s", "pass"}, {"example.test", "t", "pass"}}});
  CHECK(both.result == "pass");
  CHECK_FALSE(both.spf_aligned);
  CHECK(both.aligned_dkim == std::vector<size_t>{1});
  CHECK(both.disposition == DmarcPolicy::none);
}

TEST_CASE("p, sp, np") {
  FakeDns dns;
  publish(dns, "example.test", "v=DMARC1; p=none; sp=quarantine; np=reject");
  dns.add("there.example.test", VRD_DNS_MX, "10 mx.example.test");
  auto policy = [&](const char* author, const char* tag, DmarcPolicy wanted) {
    DmarcAnswer answer = check_spf(dns, author, "evil.test");
    CHECK(answer.result == "fail");
    CHECK(answer.tag == tag);
    CHECK(answer.policy == wanted);
    CHECK(answer.disposition == wanted);
    CHECK(answer.policy_at.domain == "example.test");
  };
  policy("example.test", "p", DmarcPolicy::none);
  policy("there.example.test", "sp", DmarcPolicy::quarantine);
  policy("gone.example.test", "np", DmarcPolicy::reject);
  dns.fail("broken.example.test", VRD_DNS_A, VRD_E_TEMPORARY);
  CHECK(check_spf(dns, "broken.example.test", "evil.test").result == "temperror");
  CHECK(check_spf(dns, "broken.example.test", "example.test").result == "pass");
}

TEST_CASE("without sp and np the policy of the domain holds below it, without np that of sp") {
  FakeDns dns;
  publish(dns, "one.test", "v=DMARC1; p=reject");
  publish(dns, "two.test", "v=DMARC1; p=none; sp=reject");
  publish(dns, "three.test", "v=DMARC1; p=reject; np=none");
  dns.add("a.three.test", VRD_DNS_A, "192.0.2.1");
  CHECK(check_spf(dns, "a.one.test", "x.test").policy == DmarcPolicy::reject);
  CHECK(check_spf(dns, "a.two.test", "x.test").policy == DmarcPolicy::reject);
  CHECK(check_spf(dns, "a.three.test", "x.test").policy == DmarcPolicy::reject);
  CHECK(check_spf(dns, "b.three.test", "x.test").policy == DmarcPolicy::none);
}

TEST_CASE("the record of a public suffix applies where there is no other") {
  FakeDns dns;
  publish(dns, "bank.example", "v=DMARC1; p=none; sp=reject; psd=y");
  DmarcAnswer answer = check_spf(dns, "mail.mega.bank.example", "evil.test");
  CHECK(answer.policy_at.domain == "bank.example");
  CHECK(answer.policy == DmarcPolicy::reject);
  CHECK(check_spf(dns, "mail.mega.bank.example", "mega.bank.example").result == "pass");
  CHECK(check_spf(dns, "mail.mega.bank.example", "giant.bank.example").result == "fail");
  publish(dns, "mega.bank.example", "v=DMARC1; p=quarantine");
  CHECK(check_spf(dns, "mail.mega.bank.example", "evil.test").policy == DmarcPolicy::quarantine);
}

TEST_CASE("t=y asks for the next milder treatment") {
  FakeDns dns;
  publish(dns, "r.test", "v=DMARC1; p=reject; t=y");
  publish(dns, "q.test", "v=DMARC1; p=quarantine; t=y");
  publish(dns, "n.test", "v=DMARC1; p=none; t=y");
  DmarcAnswer r = check_spf(dns, "r.test", "x.test"), q = check_spf(dns, "q.test", "x.test"), n = check_spf(dns, "n.test", "x.test");
  CHECK(r.disposition == DmarcPolicy::quarantine);
  CHECK(r.policy == DmarcPolicy::reject);
  CHECK(r.testing);
  CHECK(q.disposition == DmarcPolicy::none);
  CHECK(q.testing);
  CHECK_FALSE(n.testing);
  DmarcAnswer passes = check_spf(dns, "r.test", "r.test");
  CHECK(passes.effective == DmarcPolicy::quarantine);
  CHECK(passes.disposition == DmarcPolicy::none);
}

TEST_CASE("no record, no usable record") {
  FakeDns dns;
  publish(dns, "bad.test", "v=DMARC1; p=rejekt");
  publish(dns, "told.test", "v=DMARC1; p=rejekt; rua=mailto:a@told.test");
  CHECK(check_spf(dns, "none.test", "none.test").result == "none");
  CHECK(check_spf(dns, "bad.test", "bad.test").result == "permerror");
  CHECK(check_spf(dns, "told.test", "told.test").result == "pass");
  CHECK(check_spf(dns, "told.test", "evil.test").disposition == DmarcPolicy::none);
  CHECK(check(dns, {}).result == "none");
}

TEST_CASE("DNS that fails is temperror, unless something passes without it") {
  FakeDns dns;
  publish(dns, "example.test", "v=DMARC1; p=reject");
  dns.fail("_dmarc.down.test", VRD_DNS_TXT, VRD_E_TIMEOUT);
  CHECK(check_spf(dns, "down.test", "down.test").result == "temperror");
  CHECK(check_spf(dns, "a.down.test", "down.test").result == "temperror");
  dns.fail("_dmarc.slow.example.test", VRD_DNS_TXT, VRD_E_TIMEOUT);
  CHECK(check_spf(dns, "example.test", "slow.example.test").result == "temperror");
  CHECK(check(dns, {{"example.test"}, {{"slow.example.test", "pass"}}, {{"example.test", "s", "pass"}}}).result == "pass");
  CHECK(check_dkim(dns, "example.test", "example.test", "temperror").result == "temperror");
  CHECK(check_dkim(dns, "example.test", "other.test", "temperror").result == "fail");
  CHECK(check_spf(dns, "down.test", "x.test").disposition == DmarcPolicy::none);
}

TEST_CASE("of several authors the one that fails worst decides, and all must pass") {
  FakeDns dns;
  publish(dns, "a.test", "v=DMARC1; p=none");
  publish(dns, "b.test", "v=DMARC1; p=reject");
  DmarcAnswer answer = check(dns, {{"a.test", "b.test"}, {{"a.test", "pass"}}, {}});
  CHECK(answer.result == "fail");
  CHECK(answer.author == "b.test");
  CHECK(check(dns, {{"b.test", "a.test"}, {{"a.test", "pass"}}, {{"b.test", "s", "pass"}}}).result == "pass");
  CHECK(check(dns, {{"a.test", "nothing.test"}, {{"a.test", "pass"}}, {}}).result == "none");
  CHECK(check(dns, {{"a.test", "a.test", "a.test", "a.test", "a.test"}, {{"a.test", "pass"}}, {}}).result == "permerror");
}

TEST_CASE("a list of public suffixes in place of the walk") {
  auto list = PublicSuffixes::load("/usr/share/publicsuffix/public_suffix_list.dat");
  if (!list) return;  // the package publicsuffix is not there
  CHECK(list->org_domain("a.b.co.uk") == "b.co.uk");
  CHECK(list->org_domain("co.uk") == "co.uk");
  FakeDns dns;
  publish(dns, "b.co.uk", "v=DMARC1; p=reject");
  DmarcOptions options;
  options.list = list;
  DmarcInput input{{"x.a.b.co.uk"}, {{"y.b.co.uk", "pass"}}, {}};
  DmarcAnswer answer = run(check_dmarc(dns, std::move(input), options));
  CHECK(answer.result == "pass");
  CHECK(answer.method == "psl");
  CHECK(names_asked(dns) == std::vector<std::string>{"_dmarc.x.a.b.co.uk", "_dmarc.b.co.uk"});
  CHECK_FALSE(PublicSuffixes::load("/nonexistent/list"));
}

TEST_CASE("reports go outside only with consent") {
  FakeDns dns;
  publish(dns, "a.test", "v=DMARC1; p=none");
  publish(dns, "sub.a.test",
          "v=DMARC1; p=none; "
          "rua=mailto:own@a.test,mailto:yes@ok.test!1m,mailto:no@other.test,https://x.test/"
          ",mailto:moved@moved.test,mailto:thief@thief.test,mailto:slow@slow.test");
  dns.add("sub.a.test._report._dmarc.ok.test", VRD_DNS_TXT, "v=DMARC1");
  dns.add("sub.a.test._report._dmarc.moved.test", VRD_DNS_TXT, "v=DMARC1; rua=mailto:here@moved.test");
  dns.add("sub.a.test._report._dmarc.thief.test", VRD_DNS_TXT, "v=DMARC1; rua=mailto:victim@victim.test");
  dns.add("sub.a.test._report._dmarc.other.test", VRD_DNS_TXT, "v=spf1");
  dns.fail("sub.a.test._report._dmarc.slow.test", VRD_DNS_TXT, VRD_E_TIMEOUT);
  Discovery discovery(dns);
  RecordAt at = run(discovery.record_at("sub.a.test"));
  auto found = run(destinations_of(dns, discovery, at));
  REQUIRE(found.size() == 7);
  CHECK(found[0].address == "own@a.test");
  CHECK(found[0].problem.empty());
  CHECK(found[1].address == "yes@ok.test");
  CHECK(found[1].most == 1u << 20);
  CHECK(found[1].problem.empty());
  CHECK_FALSE(found[2].problem.empty());
  CHECK_FALSE(found[3].problem.empty());
  CHECK(found[4].address == "here@moved.test");
  CHECK(found[4].problem.empty());
  CHECK_FALSE(found[5].problem.empty());
  CHECK(found[6].later);
}
