// What is an SPF record, and what is wrong with one.
#include "mailauth/spf/record.h"

#include <doctest/doctest.h>

using namespace mailauth;
using namespace mailauth::spf;

namespace {

std::string problem(const std::string& terms) { return read_record("v=spf1 " + terms).problem; }
bool says(const std::string& terms, const std::string& part) { return problem(terms).find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a record begins with v=spf1, alone or before a space") {
  for (const char* text : {"v=spf1", "v=spf1 ", "V=SPF1 -all", "v=spf1   a"}) CHECK(is_record(text));
  for (const char* text : {"", "v=spf", "v=spf10", "v=spf1-all", " v=spf1", "v=spf1\t-all", "spf2.0/pra"}) CHECK_FALSE(is_record(text));
}

TEST_CASE("terms are read with qualifiers, names, prefixes, in any case") {
  const std::string text = "v=spf1 +A -mx:x.test/24//64 ~IP4:192.0.2.0/25 ?ip6:2001:db8::/32 exists:%{ir}.x.test ptr include:y.test redirect=z.test exp=w.test unknown.one=a:b/c";
  Record record = read_record(text);
  REQUIRE(record.problem.empty());
  REQUIRE(record.terms.size() == 7);
  CHECK(record.terms[0].mechanism == Mechanism::a);
  CHECK(record.terms[0].domain.empty());
  CHECK(record.terms[1].qualifier == SpfResult::fail);
  CHECK(record.terms[1].domain == "x.test");
  CHECK(record.terms[1].bits4 == 24);
  CHECK(record.terms[1].bits6 == 64);
  CHECK(record.terms[2].bits4 == 25);
  CHECK(record.terms[3].bits6 == 32);
  CHECK(record.terms[4].domain == "%{ir}.x.test");
  CHECK(record.redirect == "z.test");
  CHECK(record.exp == "w.test");
}

TEST_CASE("an error anywhere is found, with the term and what is wrong") {
  CHECK(problem("-all moo") == "the term 'moo': it is no mechanism: all, include, a, mx, ptr, ip4, ip6 and exists are known");
  CHECK(says("a:192.0.2.1", "addresses are written with ip4 or ip6"));
  CHECK(says("redirect:a.test", "written with '='"));
  CHECK(says("exp=a.test exp=b.test", "given twice"));
  CHECK(says("ip4:192.0.2", "no IPv4 address"));
  CHECK(says("ip4:192.0.2.1/33", "0 to 32"));
  CHECK(says("ip6:1::2::3", "no IPv6 address"));
  CHECK(says("a:\xC3\xA4.test", "no printable ASCII"));
  CHECK(says(std::string("a:x.test\0", 9), "control character"));
  CHECK(says("a:%{x}.test", "is no macro"));
  CHECK(says("a:%{c}.test", "in explanations only"));
  for (const char* bad : {"all:x", "all/8", "all.", "-", "+", "a:", "a/", "a/033", "a//", "a/24/64", "mx:museum", "mx:a.b-", "ptr/0", "include", "include:", "include:a.test/24", "exists",
                          "ip4", "ip4:1.2.3.4//32", "ip4:01.2.3.4", "ip6", "=x", "1x=y", "exp=", "redirect=", "exp=-all", "x=%", "x=%(", "a:%{d0}.test", "a:.", "a:..", "a: b"}) {
    CAPTURE(bad);
    CHECK_FALSE(problem(bad).empty());
  }
}

TEST_CASE("what the grammar allows is allowed") {
  for (const char* good : {"", " ", "all", "a:foo:bar/baz.x.test", "a:a%%b%_c%-.x.test", "a:%{d}", "a:%{l1r+-/_=,.}.%{o128R}.test", "x=", "x=%{c}%{r}%{t}", "a:b.xn--zckzah", "a/0//0", "moo.cow-far_out=man:dog/cat"}) {
    CAPTURE(good);
    CHECK(problem(good).empty());
  }
}

TEST_CASE("addresses in their families") {
  CHECK(read_client("::ffff:192.0.2.1")->v4);
  CHECK(read_client("::ffff:192.0.2.1")->readable() == "192.0.2.1");
  CHECK_FALSE(read_client("192.0.2.256"));
  CHECK(read_client("192.0.2.129")->within(*read_v4("192.0.2.128"), 25));
  CHECK_FALSE(read_client("192.0.2.127")->within(*read_v4("192.0.2.128"), 25));
  CHECK(read_client("2001:db8::1")->within(*read_v6("::"), 0));
  CHECK_FALSE(read_client("192.0.2.1")->within(*read_v6("::"), 0));
  CHECK(read_client("2001:db8::cb01")->dotted() == "2.0.0.1.0.D.B.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.C.B.0.1");
  CHECK(read_client("192.0.2.3")->reverse_name() == "3.2.0.192.in-addr.arpa");
}
