// PROXY headers, good, split and bad.
#include "inbound/proxy_header.h"

#include <doctest/doctest.h>

using namespace veredus;
using namespace std::string_literals;

namespace {

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;

std::string outcome(std::string_view input) {
  auto parsed = parse_proxy_header(input);
  if (!parsed) return "error";
  if (!*parsed) return "more";
  const ProxyHeader& header = **parsed;
  std::string rest = " +" + std::to_string(input.size() - header.size);
  return (header.known ? header.source.text() + " " + header.destination.text() : "unknown") + rest;
}

}  // namespace

TEST_CASE("version 1") {
  CHECK(outcome("PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\nEHLO") == "192.0.2.7:4711 192.0.2.1:25 +4");
  CHECK(outcome("PROXY TCP6 2001:db8::7 2001:db8::1 1 25\r\n") == "[2001:db8::7]:1 [2001:db8::1]:25 +0");
  CHECK(outcome("PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 1 25\r\n") == "192.0.2.7:1 [2001:db8::1]:25 +0");
  CHECK(outcome("PROXY TCP4 ::ffff:192.0.2.7 192.0.2.1 1 25\r\n") == "error");
  CHECK(outcome("PROXY UNKNOWN\r\n") == "unknown +0");
  CHECK(outcome("PROXY UNKNOWN ffff ffff 1 2\r\n") == "unknown +0");
  for (const char* bad :
       {"PROXY TCP4 192.0.2.7 192.0.2.1 4711\r\n", "PROXY TCP4 192.0.2.7 192.0.2.1 4711 99999\r\n",
        "PROXY TCP6 192.0.2.7 192.0.2.1 1 2\r\n", "PROXY UDP4 192.0.2.7 192.0.2.1 1 2\r\n", "PROXX ",
        "EHLO x\r\n", "proxy tcp4", "PROXY TCP4 x y 1 2\r\n"})
    CHECK_MESSAGE(outcome(bad) == "error", bad);
  CHECK(outcome("PROXY " + std::string(200, 'x')) == "error");
}

TEST_CASE("version 2") {
  std::string four = kSignature + "\x21\x11\x00\x0c\xc0\x00\x02\x07\xc0\x00\x02\x01\x12\x67\x00\x19"s;
  CHECK(outcome(four + "rest") == "192.0.2.7:4711 192.0.2.1:25 +4");
  CHECK(outcome(kSignature + "\x20\x00\x00\x00"s) == "unknown +0");
  CHECK(outcome(kSignature + "\x21\x31\x00\x00"s) == "unknown +0");
  CHECK(outcome(kSignature + "\x31\x11\x00\x0c"s) == "error");
  CHECK(outcome(kSignature + "\x22\x11\x00\x0c"s) == "error");
  CHECK(outcome(kSignature + "\x21\x11\x00\x04\x01\x02\x03\x04"s) == "error");
  CHECK(outcome(kSignature + "\x21\x11\xff\xff"s) == "error");
}

TEST_CASE("any beginning of a good header asks for more") {
  for (const std::string& whole :
       {"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n"s,
        kSignature + "\x21\x11\x00\x0c\xc0\x00\x02\x07\xc0\x00\x02\x01\x12\x67\x00\x19"s})
    for (size_t size = 0; size < whole.size(); ++size) CHECK(outcome(whole.substr(0, size)) == "more");
}
