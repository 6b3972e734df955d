// Canonical forms, against the examples of RFC 6376 3.4.5 and bodies cut anywhere.
#include <doctest/doctest.h>

#include "mailauth/dkim/canonical.h"

using namespace mailauth;

namespace {

// The hash of the body when it comes in pieces of this size.
Digest hashed(Canonical form, std::string_view body, size_t piece, std::optional<uint64_t> limit = {}) {
  BodyHash hash(form, limit);
  for (size_t at = 0; at < body.size(); at += piece) hash.add(body.substr(at, piece));
  return hash.finish();
}

void check_body(Canonical form, std::string_view body, std::string_view canonical) {
  CAPTURE(body);
  for (size_t piece : {size_t{1}, size_t{2}, size_t{3}, size_t{5000}}) CHECK(hashed(form, body, piece) == sha256(canonical));
}

std::string field(Canonical form, std::string_view text) {
  HeaderBlock block = read_header(text);
  REQUIRE(block.fields.size() == 1);
  std::string out;
  append_canonical(form, block.fields[0], out);
  return out;
}

}  // namespace

TEST_CASE("header fields") {
  CHECK(field(Canonical::relaxed, "A: X\r\n") == "a:X");
  CHECK(field(Canonical::relaxed, "B : Y\t\r\n\tZ  \r\n") == "b:Y Z");
  CHECK(field(Canonical::simple, "B : Y\t\r\n\tZ  \r\n") == "B : Y\t\r\n\tZ  ");
  CHECK(field(Canonical::relaxed, "SUBJECT:\r\n \t a\r\n b\r\n") == "subject:a b");
  CHECK(field(Canonical::relaxed, "X:\r\n") == "x:");
  CHECK(field(Canonical::relaxed, "X: \t \r\n") == "x:");
}

TEST_CASE("bodies") {
  check_body(Canonical::relaxed, " C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n");
  check_body(Canonical::simple, " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n");
  check_body(Canonical::relaxed, "", "");
  check_body(Canonical::simple, "", "\r\n");
  check_body(Canonical::relaxed, "\r\n\r\n", "");
  check_body(Canonical::simple, "\r\n\r\n", "\r\n");
  check_body(Canonical::relaxed, " \t\r\n \r\n", "");
  check_body(Canonical::simple, " \r\n", " \r\n");
  check_body(Canonical::relaxed, "no end", "no end\r\n");
  check_body(Canonical::simple, "no end", "no end\r\n");
  check_body(Canonical::relaxed, "a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n");
  check_body(Canonical::relaxed, "a \r\n \r\n\tb\r\n", "a\r\n\r\n b\r\n");
  check_body(Canonical::relaxed, "a\rb\nc\r\n", "a\rb\nc\r\n");
  check_body(Canonical::simple, "a\rb\nc\r", "a\rb\nc\r\r\n");
}

TEST_CASE("long lines and bodies pass through whole") {
  std::string line(10'000, 'x'), body;
  for (int i = 0; i < 30; ++i) body += line + "\r\n";
  for (Canonical form : {Canonical::simple, Canonical::relaxed}) {
    CHECK(hashed(form, body, 7) == sha256(body));
    CHECK(hashed(form, body, 65'536) == sha256(body));
  }
}

TEST_CASE("a limit counts octets of the canonical form") {
  CHECK(hashed(Canonical::relaxed, "a  b\r\nc\r\n", 2, 3) == sha256("a b"));
  CHECK(hashed(Canonical::simple, "a  b\r\nc\r\n", 100, 4) == sha256("a  b"));
  CHECK(hashed(Canonical::simple, "abc\r\n", 100, 0) == sha256(""));
  BodyHash hash(Canonical::simple, 3);
  hash.add("abcdef\r\n\r\n");
  hash.finish();
  CHECK(hash.canonical_size() == 8);
}
