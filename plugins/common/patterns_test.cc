// Networks, domain patterns, address patterns, texts of replies.
#include "common/patterns.hpp"

#include <doctest/doctest.h>

#include "common/reply_text.hpp"

using namespace common;

namespace {

bool in(const char* network, const char* address) {
  const auto octets = address_octets(address);
  return octets && NetworkPattern(network).matches(*octets);
}

template <class Pattern>
bool is_wrong(std::string_view text) {
  try {
    Pattern pattern(text);
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

}  // namespace

TEST_CASE("networks of both families") {
  CHECK(in("192.0.2.0/24", "192.0.2.255"));
  CHECK_FALSE(in("192.0.2.0/24", "192.0.3.0"));
  CHECK(in("192.0.2.128/25", "192.0.2.200"));
  CHECK_FALSE(in("192.0.2.128/25", "192.0.2.100"));
  CHECK(in("192.0.2.1", "192.0.2.1"));
  CHECK(in("192.0.2.1", "::ffff:192.0.2.1"));
  CHECK(in("0.0.0.0/0", "203.0.113.9"));
  CHECK_FALSE(in("0.0.0.0/0", "2001:db8::1"));
  CHECK(in("::/0", "192.0.2.1"));
  CHECK(in("2001:db8::/33", "2001:db8:7fff::1"));
  CHECK_FALSE(in("2001:db8::/33", "2001:db8:8000::1"));
  CHECK_FALSE(in("192.0.2.0/24", ""));
  CHECK_FALSE(in("192.0.2.0/24", "unix"));
  for (const char* bad : {"", "/8", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/a", "192.0.2.0/-1", "192.0.2", "::/129", "192.0.2.0/8 ", "a.test"})
    CHECK_MESSAGE(is_wrong<NetworkPattern>(bad), bad);
}

TEST_CASE("domain patterns are those of the core") {
  CHECK(DomainPattern("A.test").matches("a.test"));
  CHECK_FALSE(DomainPattern("a.test").matches("b.a.test"));
  CHECK(DomainPattern(".a.test").matches("c.b.a.test"));
  CHECK_FALSE(DomainPattern(".a.test").matches("a.test"));
  CHECK_FALSE(DomainPattern(".a.test").matches("xa.test"));
  CHECK(DomainPattern("*").matches("x"));
  CHECK_FALSE(DomainPattern("*").matches(""));
  for (const char* bad : {"", ".", "*.a.test", "a@b", "a b"}) CHECK_MESSAGE(is_wrong<DomainPattern>(bad), bad);
}

TEST_CASE("address patterns") {
  CHECK(AddressPattern("U@A.test").matches("u@a.TEST"));
  CHECK_FALSE(AddressPattern("u@a.test").matches("uu@a.test"));
  CHECK(AddressPattern("@a.test").matches("any@a.test"));
  CHECK_FALSE(AddressPattern("@a.test").matches("any@b.a.test"));
  CHECK(AddressPattern(".a.test").matches("any@c.b.a.test"));
  CHECK_FALSE(AddressPattern(".a.test").matches("any@a.test"));
  CHECK(AddressPattern("abuse@").matches("Abuse@b.test"));
  CHECK(AddressPattern("postmaster@").matches("postmaster"));
  CHECK_FALSE(AddressPattern("abuse@").matches(""));
  CHECK(AddressPattern("<>").matches(""));
  CHECK_FALSE(AddressPattern("<>").matches("u@a.test"));
  CHECK(AddressPattern("*").matches(""));
  CHECK(AddressPattern("*").matches("u@a.test"));
  CHECK(AddressPattern("@a.test").matches("\"a@b\"@a.test"));
  CHECK_FALSE(AddressPattern("@b").matches("\"a@b\"@a.test"));
  for (const char* bad : {"", "@", "a.test", "u", "a b@c.test", "*@a.test", "@*", "*.a.test", "."}) CHECK_MESSAGE(is_wrong<AddressPattern>(bad), bad);
}

TEST_CASE("a reply may begin with its status") {
  const auto read = [](std::string_view text) {
    const ReplyText out = reply_text(text, '5', "7.1");
    return out.enhanced + "|" + out.text;
  };
  CHECK(read("5.7.26 Go away") == "5.7.26|Go away");
  CHECK(read("Go away") == "5.7.1|Go away");
  for (const char* plain : {"4.7.1 x", "5.7 x", "5.7.256 x", "5..1 x", "5.7.1", "5.7.1.1 x", "5.-7.1 x", "55.7.1 x"})
    CHECK_MESSAGE(read(plain) == std::string("5.7.1|") + plain, plain);
  for (const std::string& bad : {std::string("a\r\nb"), std::string("\xC3\xA4"), std::string(401, 'x')}) CHECK_THROWS_AS((void)read(bad), std::invalid_argument);
}
