// Records and policies as they are published, well and badly, and as they are kept.
#include <doctest/doctest.h>

#include "entry.h"

using namespace mta_sts;

namespace {

bool good_record(const std::string& text) { return read_record(text).valid; }
ReadPolicy policy(const std::string& text) { return read_policy(text); }
const std::string kPolicy = "version: STSv1\r\nmode: enforce\r\nmx: mail.a.test\r\nmx: *.b.test\r\nmax_age: 604800\r\n";

}  // namespace

TEST_CASE("records: what is valid") {
  for (const char* text : {"v=STSv1; id=20160831085700Z;", "v=STSv1; id=1", "v=STSv1;id=a;", "v=STSv1; ext=x!y; id=1 ; other=2;", "v=STSv1; id=12345678901234567890123456789012;"}) {
    CAPTURE(text);
    CHECK(good_record(text));
  }
  CHECK(read_record("v=STSv1; id=abc; id=def").id == "abc");
}

TEST_CASE("records: what is not") {
  for (const char* text : {"", "v=STSv1", "v=STSv1;", "v=STSv2; id=1;", "V=STSv1; id=1", " v=STSv1; id=1", "id=1; v=STSv1;", "v=STSv1; id=", "v=STSv1; id=a-b", "v=STSv1 ; id=1",
                           "v=STSv1; id=123456789012345678901234567890123", "v=STSv1;; id=1", "v=STSv1; id=1; junk", "v=STSv1; id=1; -x=1", "v=STSv1; id=1; x=", "v=STSv1; id=1; x=a=b", "v=STSv1; ID=1"}) {
    CAPTURE(text);
    CHECK(!good_record(text));
  }
}

TEST_CASE("a policy with CRLF, with LF, without an end") {
  ReadPolicy read = policy(kPolicy);
  REQUIRE(read.valid);
  CHECK(read.findings.empty());
  CHECK(read.policy.mode == Mode::enforce);
  CHECK(read.policy.mx == std::vector<std::string>{"mail.a.test", "*.b.test"});
  CHECK(read.policy.max_age == 604800);
  CHECK(policy("version:STSv1\nmode:none\nmax_age:0").valid);
  CHECK(policy("max_age: 1  \nmx: A.Test\nmode: testing\nversion: STSv1\n\n").policy.mx.front() == "a.test");
}

TEST_CASE("policies that are invalid, and where") {
  struct Case {
    const char* text;
    size_t line;
  };
  for (const Case& one : {Case{"", 0}, {"version: STSv1\nmode: enforce\nmax_age: 1\n", 0}, {"mode: none\nmax_age: 1\n", 0}, {"version: STSv1\nmax_age: 1\n", 0}, {"version: STSv1\nmode: none\n", 0},
                          {"version: STSv2\nmode: none\nmax_age: 1\n", 1}, {"version: STSv1\nmode: Enforce\nmx: a.test\nmax_age: 1\n", 2}, {"version: STSv1\nmode: none\nmax_age: -1\n", 3},
                          {"version: STSv1\nmode: none\nmax_age: 12345678901\n", 3}, {"version: STSv1\nmode: enforce\nmx: *.*.test\nmax_age: 1\n", 3}, {"version: STSv1\nmode: enforce\nmx: a..test\nmax_age: 1\n", 3},
                          {"version: STSv1\nmode: enforce\nmx: *a.test\nmax_age: 1\n", 3}, {"version: STSv1\n\nmode: none\nmax_age: 1\n", 2}, {"version: STSv1\n mode: none\nmax_age: 1\n", 2},
                          {"version: STSv1\rmode: none\nmax_age: 1\n", 1}, {"version: STSv1\nmode none\nmax_age: 1\n", 2}, {"version: STSv1\nmode: none\nmax_age:\n", 3}, {"<html>\n", 1},
                          {"version: STSv1\nmode: testing\nmax_age: 1\n", 0}, {"\xEF\xBB\xBFversion: STSv1\nmode: none\nmax_age: 1\n", 1}}) {
    CAPTURE(one.text);
    ReadPolicy read = policy(one.text);
    CHECK(!read.valid);
    bool there = false;
    for (const Finding& finding : read.findings) there = there || (finding.error && finding.line == one.line);
    CHECK(there);
    CHECK(!read.first_problem().empty());
  }
}

TEST_CASE("unknown fields do nothing, of two the first counts, a year is the longest") {
  ReadPolicy read = policy("version: STSv1\nmode: testing\nmode: enforce\nmx: a.test\nmax_age: 4000000000\nmax_age: 1\nfuture: \xC3\xBC thing\n");
  REQUIRE(read.valid);
  CHECK(read.policy.mode == Mode::testing);
  CHECK(read.policy.max_age == kLongestAge);
  CHECK(read.findings.size() == 4);
}

TEST_CASE("a star stands for one label") {
  CHECK(matches("*.a.test", "mx.a.test"));
  CHECK(matches("*.a.test", "MX.A.test."));
  CHECK(!matches("*.a.test", "a.test"));
  CHECK(!matches("*.a.test", "x.mx.a.test"));
  CHECK(!matches("*.a.test", ".a.test"));
  CHECK(!matches("mx.a.test", "mx.b.test"));
  CHECK(matches("mx.a.test", "Mx.a.Test"));
}

TEST_CASE("an entry comes back from the store as it went in; what is damaged does not") {
  Entry entry;
  entry.id = "abc";
  entry.policy = policy(kPolicy).policy;
  entry.fetched = 1000;
  entry.expires = 604801000;
  entry.used = 5;
  entry.retry = 7;
  std::string text = encoded(entry);
  auto back = decoded(text);
  REQUIRE(back);
  CHECK(back->id == "abc");
  CHECK(back->policy.text() == entry.policy.text());
  CHECK(back->fetched == 1000);
  CHECK(back->expires == 604801000);
  CHECK(back->used == 5);
  CHECK(back->retry == 7);
  for (size_t size = 0; size + 1 < text.size(); ++size) CHECK(!decoded(std::string_view(text).substr(0, size)).has_value());
  CHECK(!decoded("2" + text.substr(1)));
}

TEST_CASE("a policy is renewed after the interval, or when half of its life is over") {
  Entry entry;
  entry.fetched = 0;
  entry.expires = 1000;
  CHECK(!entry.due(400, 10'000));
  CHECK(entry.due(500, 10'000));
  CHECK(entry.due(100, 100));
  entry.retry = 600;
  CHECK(!entry.due(550, 100));
}
