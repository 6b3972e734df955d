// Names, the reverse tree, the hosts table and resolv.conf: bad input included.
#include "net/dns_name.h"

#include <doctest/doctest.h>

#include "net/hosts_table.h"
#include "net/resolv_conf.h"

using namespace veredus;

TEST_CASE("names are checked and brought to one form") {
  CHECK(*to_ascii_domain("MX.Example.TEST.") == "mx.example.test");
  CHECK(*to_ascii_domain("_25._tcp.mx.test") == "_25._tcp.mx.test");
  CHECK(*to_ascii_domain("B\xC3\xBC" "cher.example") == "xn--bcher-kva.example");
  CHECK(*to_ascii_domain("\xE4\xBE\x8B\xE5\xAD\x90.test") == "xn--fsqu00a.test");
  CHECK(*to_ascii_domain("B\xC3\x9C" "CHER.example.") == "xn--bcher-kva.example");
  for (const char* bad : {"", ".", "..", "a..b", ".a", "a b.test", "a\\.b", "a\nb", "a\"b"}) {
    CAPTURE(bad);
    CHECK(!to_ascii_domain(bad).ok());
  }
  CHECK(*to_query_name("A b%  c.Test.") == "a b%  c.test");
  for (const char* bad : {"", ".", "a..b", "a\\.b", "a\nb", "a\"b", "a\xFF.test"}) CHECK(!to_query_name(bad).ok());
  CHECK(!to_ascii_domain("a\xFF.test").ok());
  CHECK(!to_ascii_domain(std::string("a\0b", 3)).ok());
  CHECK(!to_ascii_domain(std::string("\xC3\xBC\0b", 4)).ok());
  CHECK(to_ascii_domain(std::string(63, 'a') + ".test").ok());
  CHECK(!to_ascii_domain(std::string(64, 'a') + ".test").ok());
  std::string longest;
  while (longest.size() < 252) longest += "a.";
  CHECK(to_ascii_domain(longest + "a").ok());
  CHECK(!to_ascii_domain(longest + "aa").ok());
}

TEST_CASE("every prefix of the wire form is what RFC 1035 says") {
  CHECK(wire_name("a.bc.test") == std::string("\1a\2bc\4test\0", 11));
}

TEST_CASE("addresses and their reverse names") {
  auto v4 = *IpAddress::parse("192.0.2.1");
  auto v6 = *IpAddress::parse("2001:db8::567:89ab");
  CHECK(reverse_name(v4) == "1.2.0.192.in-addr.arpa");
  CHECK(reverse_name(v6) == "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
  CHECK(address_of_reverse_name(reverse_name(v4)) == v4);
  CHECK(address_of_reverse_name(reverse_name(v6)) == v6);
  for (const char* bad : {"1.2.0.in-addr.arpa", "1.2.0.256.in-addr.arpa", "x.2.0.1.in-addr.arpa", "in-addr.arpa", "1.ip6.arpa", "a.test"}) {
    CAPTURE(bad);
    CHECK(!address_of_reverse_name(bad));
  }
}

TEST_CASE("the hosts table answers for its names, in every type, and backwards") {
  HostsTable table({{"MX.test", {*IpAddress::parse("127.0.0.9"), *IpAddress::parse("::9")}}, {"bad name", {*IpAddress::parse("1.2.3.4")}}});
  auto a = table.answer("mx.test", DnsType::a);
  REQUIRE(a);
  CHECK(a->status == DnsStatus::ok);
  REQUIRE(a->records.size() == 1);
  CHECK(a->records[0].address.text() == "127.0.0.9");
  CHECK(table.answer("mx.test", DnsType::aaaa)->records[0].address.text() == "::9");
  CHECK(table.answer("mx.test", DnsType::mx)->status == DnsStatus::no_data);
  auto ptr = table.answer("9.0.0.127.in-addr.arpa", DnsType::ptr);
  REQUIRE(ptr);
  CHECK(ptr->records[0].text == "mx.test");
  CHECK(!table.answer("sub.mx.test", DnsType::a));
}

TEST_CASE("names with a fixed meaning ask nobody") {
  HostsTable table;
  CHECK(table.answer("localhost", DnsType::a)->records[0].address.text() == "127.0.0.1");
  CHECK(table.answer("x.localhost", DnsType::aaaa)->records[0].address.text() == "::1");
  CHECK(table.answer("localhost", DnsType::mx)->status == DnsStatus::no_data);
  CHECK(table.answer("1.0.0.127.in-addr.arpa", DnsType::ptr)->records[0].text == "localhost");
  CHECK(table.answer("a.invalid", DnsType::a)->status == DnsStatus::no_name);
  CHECK(!table.answer("notlocalhost", DnsType::a));
}

TEST_CASE("resolv.conf: three servers at most, the rest skipped") {
  auto servers = parse_resolv_conf(
      "# nameserver 9.9.9.9\nsearch example.test\nnameserver 192.0.2.1\nnameserver\t::1 # local\r\nnameserver fe80::1%eth0\n"
      "nameservers 192.0.2.7\nnameserver nonsense\n nameserver 192.0.2.8\nnameserver 192.0.2.2\nnameserver 192.0.2.3");
  REQUIRE(servers.size() == 3);
  CHECK(servers[0].text() == "192.0.2.1:53");
  CHECK(servers[1].text() == "[::1]:53");
  CHECK(servers[2].text() == "192.0.2.2:53");
  CHECK(parse_resolv_conf("").empty());
  auto fallback = system_resolvers("/nonexistent/resolv.conf");
  REQUIRE(fallback.size() == 1);
  CHECK(fallback[0].text() == "127.0.0.1:53");
}
