// What is written for our own set, what goes from stage to stage, whom a chain lets us trust.
#include <doctest/doctest.h>

#include "words.h"

using namespace arc;

namespace {

mailauth::ArcAnswer chain(std::vector<std::pair<std::string, std::string>> sealers) {
  mailauth::ArcAnswer out;
  out.result = "pass";
  for (auto& [domain, results] : sealers) {
    mailauth::ArcSetAnswer& set = out.sets.emplace_back();
    out.highest = set.instance = static_cast<uint32_t>(out.sets.size());
    set.domain = domain;
    set.results = results;
  }
  return out;
}

std::string who(const mailauth::ArcAnswer& answer, std::vector<std::string> trusted) {
  std::vector<common::DomainPattern> patterns;
  for (const std::string& one : trusted) patterns.emplace_back(one);
  auto found = vouched(answer, patterns);
  return found ? found->domain : "";
}

}  // namespace

TEST_CASE("results are written so that they can be read again") {
  CHECK(results_text("mx.test", {}) == "mx.test; none");
  std::vector<vrd::AuthResult> results{{"spf", "pass", "", {{"smtp.mailfrom", "a@b.test"}, {"smtp.helo", ""}}}, {"dkim", "fail", "not \"good\"\r\nX: y", {{"header.b", "ab/c="}}}};
  std::string text = results_text("mx.test", results);
  CHECK(text == "mx.test;\r\n\tspf=pass smtp.mailfrom=a@b.test;\r\n\tdkim=fail reason=\"not \\\"good\\\"??X: y\" header.b=\"ab/c=\"");
  mailauth::ResultsField read = mailauth::read_results(text);
  REQUIRE(read.results.size() == 2);
  CHECK(read.results[1].property("header.b") == "ab/c=");
}

TEST_CASE("the note carries what sealing needs") {
  mailauth::ArcAnswer answer = chain({{"a.test", ""}, {"b.test", ""}});
  CHECK(note_of(answer) == "pass 2 0");
  auto back = answer_of("fail 3 1");
  REQUIRE(back);
  CHECK(back->result == "fail");
  CHECK(back->highest == 3);
  CHECK(back->ended);
  for (const char* bad : {"", "pass", "pass 2", "pass x 0", "pass 51 0", "pass  0"}) CHECK_FALSE(answer_of(bad));
}

TEST_CASE("only an unbroken row of trusted sealers from the last one on vouches") {
  const std::string good = "mx; dmarc=pass header.from=x.test", bad = "mx; dmarc=fail";
  CHECK(who(chain({{"a.test", good}}), {"a.test"}) == "a.test");
  CHECK(who(chain({{"a.test", good}}), {"b.test"}) == "");
  CHECK(who(chain({{"a.test", bad}}), {"a.test"}) == "");
  CHECK(who(chain({{"a.test", good}, {"b.test", bad}}), {"a.test", "b.test"}) == "a.test");
  CHECK(who(chain({{"a.test", good}, {"b.test", bad}}), {"a.test"}) == "");
  CHECK(who(chain({{"evil.test", good}, {"b.test", "mx; arc=pass"}}), {"b.test"}) == "");
  CHECK(who(chain({{"sub.a.test", good}}), {".a.test"}) == "sub.a.test");
  mailauth::ArcAnswer broken = chain({{"a.test", good}});
  broken.result = "fail";
  CHECK(who(broken, {"*"}) == "");
}
