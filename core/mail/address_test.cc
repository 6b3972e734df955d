// Addresses: what is legal, what is not, paths, keys.
#include "mail/address.h"

#include <doctest/doctest.h>

#include <string>

namespace veredus {

TEST_CASE("legal addresses keep their spelling") {
  for (const char* text :
       {"a@b", "User.Name+tag@Example.TEST", "!#$%&'*+-/=?^_`{|}~@x.test", "\"a b\"@x.test", "\"a@b\"@x.test",
        "\"a\\\"b\"@x.test", "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]", "postmaster", "PostMaster",
        "a@1.2.test", "a@xn--bcher-kva.test", "a@x_y.test", "_a@_x.test", "x@localhost",
        "\"odd \\\" one\"@example.test",
        "j\xC3\xB6rg@b\xC3\xBC"
        "cher.test"}) {
    CAPTURE(text);
    auto address = Address::parse(text);
    REQUIRE(address.ok());
    CHECK(address->text() == text);
  }
}

TEST_CASE("illegal addresses are refused") {
  for (std::string text : {"",
                           "a",
                           "@x.test",
                           "a@",
                           "a@@b",
                           "a b@x.test",
                           ".a@x.test",
                           "a.@x.test",
                           "a..b@x.test",
                           "a@x.test.",
                           "a@.x",
                           "a@x..y",
                           "a@-x.test",
                           "a@x-.test",
                           "a@[1.2.3]",
                           "a@[1.2.3.4",
                           "a@[2001:db8::1]",
                           "a@[IPv6:1.2.3.4]",
                           "a@[x.test]",
                           "a(.b@x.test",
                           "a@b(.c",
                           "<a@b>",
                           "a,b@x.test",
                           "a;b@x.test",
                           "a:b@x.test",
                           "\"a@x.test",
                           "\"\"@x.test",
                           "\"a\"b@x.test",
                           "\"a\\\"@x.test",
                           "a@x.test\r\n",
                           "a@x.test ",
                           "a\tb@x.test",
                           "\"a\nb\"@x.test",
                           "a\\b@x.test",
                           "a@x\x80.test",
                           "\xC3@x.test",
                           "a@x\xE2\x80\xAE.test",
                           "a@x\xE3\x80\x82test",
                           "a\xC2\x85@x.test",
                           "mailer",
                           "a@(x).test",
                           "a\r\n@x.test",
                           "a@x.te\nst",
                           "\xC0\xAF@x.test",
                           "a@x.test\x7F",
                           "a@b@c"}) {
    CAPTURE(text);
    CHECK_FALSE(Address::parse(text).ok());
  }
  CHECK_FALSE(Address::parse(std::string_view("a\0b@x.test", 10)).ok());
  CHECK_FALSE(Address::parse("j\xC3\xB6rg@x.test", false).ok());
}

TEST_CASE("length limits") {
  auto of = [](size_t local, size_t label) {
    return std::string(local, 'l') + "@" + std::string(label, 'd');
  };
  CHECK(Address::parse(of(64, 63)).ok());
  CHECK_FALSE(Address::parse(of(65, 10)).ok());
  CHECK_FALSE(Address::parse(of(1, 64)).ok());
  std::string domain = std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + "." +
                       std::string(50, 'd');
  CHECK(Address::parse(std::string(11, 'l') + "@" + domain).ok());  // 254 octets
  CHECK_FALSE(Address::parse(std::string(12, 'l') + "@" + domain).ok());
}

TEST_CASE("parts and keys") {
  auto address = *Address::parse("\"a@b\"@X.Test");
  CHECK(address.local() == "\"a@b\"");
  CHECK(address.domain() == "X.Test");
  CHECK(address.key() == "\"a@b\"@x.test");
  CHECK(Address::parse("\"a.b\"@x.test")->key() == "a.b@x.test");
  CHECK(Address::parse("\"\\a\"@x.test")->key() == "a@x.test");
  CHECK(Address::parse("\"a\\ b\"@x.test")->key() == "\"a b\"@x.test");
  CHECK(Address::parse("\"a..b\"@x.test")->key() == "\"a..b\"@x.test");
  CHECK(Address::parse("User@X.test")->key() != Address::parse("user@x.test")->key());
  CHECK(Address::parse("a@[192.0.2.1]")->domain() == "[192.0.2.1]");
  CHECK(Address::parse("POSTMASTER")->key() == "postmaster");
  CHECK(Address::parse("postmaster")->domain().empty());
  CHECK(Address{}.empty());
  CHECK(Address::make("\"a@b\"", "").domain().empty());
  CHECK(quoted_local("john doe") == "\"john doe\"");
  CHECK(quoted_local("john.doe") == "john.doe");
  CHECK(with_domain("ann", "a.test") == "ann@a.test");
  CHECK(with_domain("ann@b.test", "a.test") == "ann@b.test");
  CHECK(with_domain("\"a@b\"", "a.test") == "\"a@b\"@a.test");
  CHECK(with_domain("\"a@b\"@b.test", "a.test") == "\"a@b\"@b.test");
}

TEST_CASE("paths") {
  std::string_view rest;
  auto path = parse_path("<a@x.test> SIZE=1", true, &rest);
  REQUIRE(path.ok());
  CHECK(path->text() == "a@x.test");
  CHECK(rest == " SIZE=1");
  CHECK(parse_path("<>", true)->empty());
  CHECK_FALSE(parse_path("<>", false).ok());
  CHECK(parse_path("<@a.test,@b.test:c@d.test>", false)->text() == "c@d.test");
  CHECK(parse_path("<@[IPv6:::1],@[1.2.3.4]:c@d.test>", false)->text() == "c@d.test");
  CHECK(parse_path("<@a.test:c@[IPv6:::1]>", false)->text() == "c@[IPv6:::1]");
  CHECK(parse_path("<\"a>b\"@x.test>", false)->text() == "\"a>b\"@x.test");
  CHECK(parse_path("<Postmaster>", false)->text() == "Postmaster");
  for (const char* bad : {"a@x.test", "<a@x.test", "a@x.test>", "<a@x.test>x", "<a@x.test> ", "< a@x.test>",
                          "<a@x.test >", "<@a.test>", "<@:a@b>", "<@a.test,b.test:c@d>", "<@a.test,:c@d>",
                          "<<a@x.test>>", "", "<", "<\"a@x.test>", "<a>", "<@[1.2.3.4:c@d>"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_path(bad, true).ok());
  }
}

}  // namespace veredus
