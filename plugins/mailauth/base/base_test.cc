// Tag lists and header blocks, bad input included.
#include <doctest/doctest.h>

#include "mailauth/base/fake_dns.h"
#include "mailauth/base/header_block.h"
#include "mailauth/base/tag_list.h"

using namespace mailauth;

TEST_CASE("a tag list is read in order, folds and spaces do not count") {
  auto tags = parse_tags(" v=1;\r\n\ta = rsa-sha256 ;b=ab\r\n cd=; x=;");
  REQUIRE(tags);
  REQUIRE(tags->size() == 4);
  CHECK(find_tag(*tags, "a")->value == "rsa-sha256");
  CHECK(without_space(find_tag(*tags, "b")->value) == "abcd=");
  CHECK(find_tag(*tags, "x")->value.empty());
  CHECK(find_tag(*tags, "V") == nullptr);
  CHECK(parse_tags("")->empty());
}

TEST_CASE("what is no tag list is told from one") {
  for (const char* text : {"v", "=1", "v=1; v=2", "v=1;; a=2", "1v=2", "a b=2"}) CHECK_FALSE(parse_tags(text));
  std::string many;
  for (int i = 0; i < 65; ++i) many += "t" + std::to_string(i) + "=1;";
  CHECK_FALSE(parse_tags(many));
}

TEST_CASE("a header block is split into fields where they stand") {
  HeaderBlock block = read_header("From: a@b.test\r\nSubject : one\r\n two\r\n\r\nbody\r\n");
  REQUIRE(block.fields.size() == 2);
  CHECK(block.fields[1].name == "Subject");
  CHECK(block.fields[1].value == " one\r\n two");
  CHECK(block.fields[1].whole == "Subject : one\r\n two");
  CHECK(same_name("SUBJECT", block.fields[1].name));
  CHECK(block.body == 39);
}

TEST_CASE("blocks without an end, without a body, with lines that are no fields") {
  CHECK(read_header("").fields.empty());
  CHECK(read_header("From: a").fields.size() == 1);
  CHECK(read_header("From: a").body == 7);
  HeaderBlock broken = read_header("From: a\r\nno field\r\nTo: b\r\n\r\n");
  CHECK(broken.fields.size() == 1);
  CHECK(broken.body == 9);
  CHECK(read_header("\r\nFrom: a\r\n").fields.empty());
  CHECK(read_header(" starts: with a fold\r\n").fields.empty());
}

TEST_CASE("names that are absent, empty and failing differ") {
  FakeDns dns;
  dns.add("a.test", VRD_DNS_TXT, "v=spf1 -all").fail("b.test", VRD_DNS_TXT, VRD_E_TIMEOUT);
  CHECK(run(dns.ask("A.test.", VRD_DNS_TXT)).records.size() == 1);
  CHECK_FALSE(run(dns.ask("a.test", VRD_DNS_MX)).nxdomain);
  CHECK(run(dns.ask("c.test", VRD_DNS_MX)).nxdomain);
  CHECK_FALSE(run(dns.ask("b.test", VRD_DNS_TXT)).ok());
}
