// From fields, those of strangers and of attackers included.
#include <doctest/doctest.h>

#include "mailauth/dmarc/author.h"

using namespace mailauth;

namespace {

struct Row {
  std::string_view value, state, domains;
};

std::string joined(const std::vector<std::string>& domains) {
  std::string out;
  for (const std::string& one : domains) out += (out.empty() ? "" : " ") + one;
  return out;
}

void check_rows(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    CAPTURE(row.value);
    Author author = read_author({row.value});
    CAPTURE(author.problem);
    CHECK(author_word(author.state) == row.state);
    CHECK(joined(author.domains) == row.domains);
    CHECK((author.state == AuthorState::one) == author.problem.empty());
  }
}

using std::string_view_literals::operator""sv;

}  // namespace

TEST_CASE("what RFC 5322 allows is read") {
  check_rows({
      {" a@b.test", "one", "b.test"},
      {" <a@b.test>", "one", "b.test"},
      {" Ann <a@B.Test>", "one", "b.test"},
      {" \"Ann (x\" <a@b.test>", "one", "b.test"},
      {" Ann Q. Public <a@b.test>", "one", "b.test"},
      {"\r\n\tAnn\r\n <a@b.test>\r\n ", "one", "b.test"},
      {" (one (two \\) three)) a (x) @ (y) b (z) . test (end)", "one", "b.test"},
      {" \"a@evil.test\"@b.test", "one", "b.test"},
      {" \"a\\\"@evil.test\" <x@b.test>", "one", "b.test"},
      {" a.b.c@b.test", "one", "b.test"},
      {" a@b.test, c@b.test, \"D\" <d@B.TEST>", "one", "b.test"},
      {" a@b.test,, ,c@b.test,", "one", "b.test"},
      {" =?utf-8?B?YUBldmlsLnRlc3Q=?= <a@b.test>", "one", "b.test"},
      {" =?utf-8?Q?a=40evil.test?=@b.test", "one", "b.test"},
      {" Team: a@b.test, c@b.test;", "one", "b.test"},
      {" a@localhost", "one", "localhost"},
      {" a@_x.b-c.test", "one", "_x.b-c.test"},
      {" a@b.test.", "one", "b.test"},
      {" j\xC3\xBCrgen@b.test", "one", "b.test"},
  });
}

TEST_CASE("names in other scripts become A-labels") {
  check_rows({
      {" a@b\xC3\xBC" "cher.test", "one", "xn--bcher-kva.test"},
      {" a@B\xC3\x9C" "CHER.test", "one", "xn--bcher-kva.test"},
      {" a@xn--bcher-kva.test", "one", "xn--bcher-kva.test"},
      {" a@fa\xC3\x9F.test", "one", "xn--fa-hia.test"},
      {" a@b\xE3\x80\x82test", "one", "b.test"},  // an ideographic full stop
      {" a@b\xFF.test", "unreadable", ""},
      {" a@b\xE2\x80\xAE.test", "unreadable", ""},  // right-to-left override
  });
}

TEST_CASE("addresses of several domains") {
  check_rows({
      {" a@b.test, c@d.test", "several", "b.test d.test"},
      {" <a@b.test>, <c@d.test>", "several", "b.test d.test"},
      {" A: a@b.test;, c@d.test", "several", "b.test d.test"},
      {" ceo@bank.test <a@b.test>", "several", "bank.test b.test"},
      {" a@b.test <a@b.test>", "one", "b.test"},
      {" a@b.test, c@[192.0.2.1]", "several", "b.test"},
  });
}

TEST_CASE("no address") {
  check_rows({
      {"", "no_address", ""},
      {" ", "no_address", ""},
      {" root", "no_address", ""},
      {" <>", "no_address", ""},
      {" undisclosed-senders:;", "no_address", ""},
      {" =?utf-8?B?YUBldmlsLnRlc3Q=?=", "no_address", ""},
      {" a@[192.0.2.1]", "literal", ""},
      {" a@[IPv6:::1]", "literal", ""},
  });
}

TEST_CASE("what is written to deceive is unreadable") {
  check_rows({
      {" a@a(.b", "unreadable", ""},
      {" a@b.test(", "unreadable", ""},
      {" a@b.test)", "unreadable", ""},
      {" \"a@b.test", "unreadable", ""},
      {" a@[192.0.2.1", "unreadable", ""},
      {" <a@b.test", "unreadable", ""},
      {" a@b.test>", "unreadable", ""},
      {" a@@b.test", "unreadable", ""},
      {" a@b.test@c.test", "unreadable", ""},
      {" a@b..test", "unreadable", ""},
      {" a@.test", "unreadable", ""},
      {" a..b@c.test", "unreadable", ""},
      {" @b.test", "unreadable", ""},
      {" a@", "unreadable", ""},
      {" a b@c.test", "unreadable", ""},
      {" a@b.test c", "unreadable", ""},
      {" <a@b.test> c", "unreadable", ""},
      {" <a@b.test> <c@d.test>", "unreadable", ""},
      {" <@evil.test,@b.test:a@bank.test>", "unreadable", ""},
      {" <a@b.test\\>", "unreadable", ""},
      {" a@b.test\0.evil.test"sv, "unreadable", ""},
      {" a@b.test\x01", "unreadable", ""},
      {" a@b.test\rX: y", "unreadable", ""},
      {" a@b.test\r\nX: y", "unreadable", ""},
      {" \"x\0\" <a@b.test>"sv, "unreadable", ""},
      {" Team: a@b.test", "unreadable", ""},
      {" A: B: a@b.test;;", "unreadable", ""},
      {" a@b;c@d.test", "unreadable", ""},
      {" a@b!c.test", "unreadable", ""},
      {" a@$b.test", "unreadable", ""},
      {" a@\"b.test\"", "unreadable", ""},
  });
}

TEST_CASE("fields without end, or without number") {
  std::string many, deep, long_label = " a@" + std::string(64, 'x') + ".test", long_name = " a@";
  for (int i = 0; i < 101; ++i) many += "a@b.test,";
  CHECK(read_author({many}).state == AuthorState::unreadable);
  CHECK(read_author({std::string(16'385, ' ')}).state == AuthorState::unreadable);
  deep = std::string(8'000, '(') + std::string(8'000, ')') + "a@b.test";
  CHECK(read_author({deep}).state == AuthorState::one);
  deep = std::string(16'000, '(');
  CHECK(read_author({deep}).state == AuthorState::unreadable);
  CHECK(read_author({long_label}).state == AuthorState::unreadable);
  for (int i = 0; i < 130; ++i) long_name += "x.";
  CHECK(read_author({long_name + "test"}).state == AuthorState::unreadable);
}

TEST_CASE("exactly one From field") {
  CHECK(read_author({}).state == AuthorState::absent);
  Author twice = read_author({" a@b.test", " a@b.test"});
  CHECK(twice.state == AuthorState::repeated);
  CHECK(twice.domains.empty());
  CHECK(author_of_message("To: x@y.test\r\nfrom: a@b.test\r\n\r\nFrom: c@d.test\r\n").domains == std::vector<std::string>{"b.test"});
  CHECK(author_of_message("FROM: a@b.test\r\nFrom : c@d.test\r\n\r\n").state == AuthorState::repeated);
  CHECK(author_of_message("To: x@y.test\r\n\r\nFrom: a@b.test").state == AuthorState::absent);
}

TEST_CASE("names") {
  CHECK(domain_of("B.Test.") == "b.test");
  CHECK(domain_of("b.test..").empty());
  CHECK(domain_of(".").empty());
  CHECK(domain_of("").empty());
  CHECK(domain_of("a b").empty());
  CHECK(domain_of("192.0.2.1") == "192.0.2.1");
  CHECK(domain_of(std::string_view("b\0c.test", 8)).empty());
}
