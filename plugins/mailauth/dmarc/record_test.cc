// Records, as the standard has them, as they were before it, and as people mistype them.
#include <doctest/doctest.h>

#include "mailauth/dmarc/record.h"

using namespace mailauth;

namespace {

DmarcRecord read(std::string_view text) {
  REQUIRE(is_dmarc_record(text));
  return read_dmarc_record(text);
}

}  // namespace

TEST_CASE("what is a DMARC record") {
  for (const char* text : {"v=DMARC1", "v=DMARC1;", "v = DMARC1 ; p=none", " v=DMARC1;p=none", "V=DMARC1; p=none"})
    CHECK(is_dmarc_record(text));
  for (const char* text :
       {"", "v=dmarc1; p=none", "v=DMARC2; p=none", "v=DMARC1 p=none", "p=none; v=DMARC1", "v=spf1 -all", "DMARC1", "v=DMARC11; p=none"})
    CHECK_FALSE(is_dmarc_record(text));
}

TEST_CASE("all tags of RFC 9989") {
  DmarcRecord record = read(
      "v=DMARC1; p=Reject; sp=quarantine; np=none; adkim=s; aspf=S; psd=n; t=y; fo=1:d; rua=mailto:a@b.test, mailto:c@d.test; "
      "ruf=mailto:e@f.test;");
  CHECK(record.p == DmarcPolicy::reject);
  CHECK(record.sp == DmarcPolicy::quarantine);
  CHECK(record.np == DmarcPolicy::none);
  CHECK(record.strict_dkim);
  CHECK(record.strict_spf);
  CHECK(record.psd == 'n');
  CHECK(record.testing);
  CHECK(record.fo == "1:d");
  REQUIRE(record.rua.size() == 2);
  CHECK(record.rua[1].address == "c@d.test");
  CHECK(record.ruf[0].address == "e@f.test");
  CHECK(record.problems.empty());
  CHECK(record.usable);
}

TEST_CASE("defaults") {
  DmarcRecord record = read("v=DMARC1");
  CHECK(record.p == DmarcPolicy::none);
  CHECK_FALSE(record.sp);
  CHECK_FALSE(record.strict_dkim);
  CHECK(record.psd == 'u');
  CHECK(record.fo == "0");
  CHECK(record.usable);
  CHECK(record.problems.size() == 1);
}

TEST_CASE("tags of RFC 7489 that are no more have no effect") {
  DmarcRecord record = read("v=DMARC1; p=reject; pct=0; rf=afrf; ri=86400");
  CHECK(record.p == DmarcPolicy::reject);
  CHECK_FALSE(record.testing);
  CHECK(record.problems.size() == 3);
}

TEST_CASE("what is wrong with one tag harms no other") {
  DmarcRecord record = read("v=DMARC1;; p=reject ;adkim=x; aspf; t=maybe; psd=; fo=9; =3; unknown=\x01; p=none;rua=nobody");
  CHECK(record.p == DmarcPolicy::reject);
  CHECK_FALSE(record.strict_dkim);
  CHECK_FALSE(record.testing);
  CHECK(record.psd == 'u');
  CHECK(record.rua.empty());
  CHECK(record.usable);
  CHECK(record.problems.size() == 9);
  CHECK(read("v=DMARC1; p=none; " + std::string(5'000, ';') + "t=y").testing == false);
}

TEST_CASE("a policy that cannot be read is none, when there is somebody to tell") {
  for (const char* text : {"v=DMARC1; p=rejct; rua=mailto:a@b.test", "v=DMARC1; p=reject; sp=no; rua=mailto:a@b.test",
                           "v=DMARC1; p=reject; np=; rua=mailto:a@b.test"}) {
    DmarcRecord record = read(text);
    CHECK(record.p == DmarcPolicy::none);
    CHECK_FALSE(record.sp);
    CHECK(record.usable);
  }
  for (const char* text : {"v=DMARC1; p=rejct", "v=DMARC1; p=reject; sp=no", "v=DMARC1; p=; rua=nonsense"}) CHECK_FALSE(read(text).usable);
}

TEST_CASE("report addresses") {
  struct Row {
    std::string_view text, uri, address;
    uint64_t most;
  };
  for (const Row& row : std::vector<Row>{
           {"mailto:a@b.test", "mailto:a@b.test", "a@b.test", 0},
           {"MAILTO:a%2bc@b.test", "MAILTO:a%2bc@b.test", "a+c@b.test", 0},
           {"mailto:a@b.test!10m", "mailto:a@b.test", "a@b.test", 10u << 20},
           {"mailto:a@b.test!1000", "mailto:a@b.test", "a@b.test", 1000},
           {"mailto:a@b.test!2K", "mailto:a@b.test", "a@b.test", 2048},
           {"mailto:a@b.test!999999999999999", "mailto:a@b.test", "a@b.test", 999'999'999'999'999},
           {"mailto:a@b.test!99999999999999t", "mailto:a@b.test", "a@b.test", UINT64_MAX},
           {"mailto:a@b.test?subject=x", "mailto:a@b.test?subject=x", "a@b.test", 0},
           {"https://b.test/dmarc", "https://b.test/dmarc", "", 0},
       }) {
    CAPTURE(row.text);
    auto uris = read_report_uris(row.text);
    REQUIRE(uris.size() == 1);
    CHECK(uris[0].uri == row.uri);
    CHECK(uris[0].address == row.address);
    CHECK(uris[0].most == row.most);
  }
  for (const char* text :
       {"", "a@b.test", "mailto:", "mailto:a", "mailto:a@", "mailto:@b.test", "mailto:a@b@c.test", "mailto:a@b.test!", "mailto:a@b.test!x",
        "mailto:a@b.test!10mm", "mailto:a b@c.test", "mailto:a%0d%0aBcc:x@b.test", "mailto:a%00@b.test", "mailto:<a@b.test>",
        "mailto:\"a\"@b.test", "mailto:a@b.test!1!m", "mailto:a@b.test!99999999999999999"})
    CHECK(read_report_uris(text).empty());
  std::string many;
  for (int i = 0; i < 50; ++i) many += "mailto:a@b.test,";
  CHECK(read_report_uris(many).size() == 20);
  CHECK(read_report_uris("nonsense, mailto:a@b.test ,,").size() == 1);
}
