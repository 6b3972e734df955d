// xtext, ORCPT and ENVID: there and back, and what is refused.
#include "mail/xtext.h"

#include <doctest/doctest.h>

#include <string>

#include "base/text.h"

namespace veredus {

TEST_CASE("xtext round trips and refuses controls") {
  std::string odd = "a+b=c \xc3\xbc";
  CHECK(*decode_xtext(encode_xtext(odd)) == odd);
  CHECK(encode_xtext("a+b") == "a+2Bb");
  for (const char* text : {"+", "+2", "+2b", "a=b", "a b", "+00", "+0D", "+7F"}) {
    CAPTURE(text);
    CHECK(!decode_xtext(text).ok());
  }
}

TEST_CASE("ENVID") {
  CHECK(*decode_envid("QQ314159") == "QQ314159");
  CHECK(*decode_envid("a+20b") == "a b");
  CHECK(encode_envid("a b") == "a+20b");
  CHECK(decode_envid(std::string(100, 'x')).ok());
  for (std::string bad : {std::string(), std::string(101, 'x'), std::string("a b"), std::string("a+0D+0Ab"),
                          std::string("+C3+BC"), std::string("+C2+85")}) {
    CAPTURE(bad);
    CHECK_FALSE(decode_envid(bad).ok());
  }
}

TEST_CASE("ORCPT") {
  CHECK(*decode_orcpt("rfc822;user+2Btag@x.test") == "rfc822;user+tag@x.test");
  CHECK(*decode_orcpt("RFC822;a@b") == "RFC822;a@b");
  CHECK(*decode_orcpt("x400;C+3DUS") == "x400;C=US");
  CHECK(*decode_orcpt("utf-8;j\\x{F6}rg@x.test") == "utf-8;j\xC3\xB6rg@x.test");
  CHECK(*decode_orcpt("utf-8;j\xC3\xB6rg@x.test") == "utf-8;j\xC3\xB6rg@x.test");
  CHECK(*decode_orcpt("utf-8;j+C3+B6rg@x.test", false) == "utf-8;j\xC3\xB6rg@x.test");
  CHECK(*decode_orcpt("utf-8;\\x{1F600}@x.test") == "utf-8;\xF0\x9F\x98\x80@x.test");
  for (std::string bad : {"", "rfc822", "rfc822;", ";a@b", "rf c822;a@b", "rfc822;a b@c", "rfc822;a+0Ab@c",
                          "rfc822;a+00@c", "rfc822;+C3+BC@c", "utf-8;\\x{A}@c", "utf-8;\\x{D800}@c",
                          "utf-8;\\x{110000}@c", "utf-8;\\x{}@c", "utf-8;\\x{F6@c", "utf-8;\xC3@c",
                          "utf-8;+C3@c", "utf-8;a=b@c", "utf-8;a\nb@c", "utf-8;\\x{202E}@c"}) {
    CAPTURE(bad);
    CHECK_FALSE(decode_orcpt(bad).ok());
  }
  CHECK_FALSE(decode_orcpt("utf-8;j\xC3\xB6rg@x.test", false).ok());
  CHECK_FALSE(decode_orcpt("rfc822;" + std::string(500, 'a')).ok());
}

TEST_CASE("ORCPT for a next hop with and without SMTPUTF8") {
  for (std::string orcpt :
       {"rfc822;a+b=c@x.test", "utf-8;j\xC3\xB6rg+tag\\@x.test", "utf-8;\xF0\x9F\x98\x80@x.test"}) {
    CAPTURE(orcpt);
    CHECK(*decode_orcpt(encode_orcpt(orcpt, true)) == orcpt);
    CHECK(is_ascii(encode_orcpt(orcpt, false)));
    CHECK(*decode_orcpt(encode_orcpt(orcpt, false), false) == orcpt);
  }
  CHECK(encode_orcpt("utf-8;j\xC3\xB6rg@x.test", false) == "utf-8;j\\x{F6}rg@x.test");
}

}  // namespace veredus
