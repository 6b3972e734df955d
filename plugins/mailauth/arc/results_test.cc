// Authentication-Results as others write them.
#include <doctest/doctest.h>

#include "mailauth/arc/results.h"

using namespace mailauth;

TEST_CASE("results, their properties, and nothing of comments") {
  ResultsField read = read_results(" MX.test 1;\r\n\tspf=pass (who; x=y (deep)) smtp.mailfrom=a@b.test;\r\n dkim = FAIL reason=\"bad; sig\" header.d=b.test header.b=\"a\\\"b\" ;dmarc/1=none; none");
  CHECK(read.valid);
  CHECK(read.authserv_id == "mx.test");
  REQUIRE(read.results.size() == 3);
  CHECK(read.results[0].method == "spf");
  CHECK(read.results[0].result == "pass");
  CHECK(read.results[0].property("smtp.mailfrom") == "a@b.test");
  CHECK(read.results[1].result == "fail");
  CHECK(read.results[1].property("reason") == "bad; sig");
  CHECK(read.results[1].property("header.b") == "a\"b");
  CHECK(read.results[2].method == "dmarc");
}

TEST_CASE("what is none") {
  CHECK_FALSE(read_results("").valid);
  CHECK_FALSE(read_results(" ; spf=pass").valid);
  CHECK(read_results("mx.test; none").results.empty());
  CHECK(read_results("mx.test; spf").results.empty());
  CHECK(read_results("mx.test; spf=").results.empty());
  CHECK(read_results("mx.test; =pass").results.empty());
  CHECK(read_results("mx.test (open").valid);
  CHECK(read_results("mx.test; a=\"open").results.size() == 1);
}

TEST_CASE("no more than so many") {
  std::string many = "mx.test";
  for (int i = 0; i < 1'000; ++i) many += "; dkim=pass header.d=a.test";
  CHECK(read_results(many).results.size() == 64);
}
