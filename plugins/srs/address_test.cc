// Addresses of the Sender Rewriting Scheme: there and back, hashes, days, what others made, bad input.
#include "srs/address.h"

#include <doctest/doctest.h>

using namespace srs;

namespace {

constexpr int64_t kNow = 1'700'000'000, kDay = 86'400;
const Scheme kScheme({"one secret of ours"}, 8, 21);

std::string there_and_back(const Scheme& scheme, std::string local, std::string domain, int64_t later = 0) {
  auto made = scheme.made(local, domain, kNow);
  if (!made) return "too long";
  Back back = scheme.read(*made, kNow + later);
  return back.reading == Reading::good ? back.address : "not good";
}

}  // namespace

TEST_CASE("an address comes back as it was") {
  CHECK(kScheme.made("user", "A.Test", kNow)->starts_with("SRS0="));
  CHECK(there_and_back(kScheme, "User", "A.Test") == "User@a.test");
  CHECK(there_and_back(kScheme, "a=b+c-d", "x.test") == "a=b+c-d@x.test");
  CHECK(there_and_back(kScheme, "\"a b\"", "x.test") == "\"a b\"@x.test");
  CHECK(there_and_back(kScheme, "\"a\\\"b\\\\\"", "x.test") == "\"a\\\"b\\\\\"@x.test");
  CHECK(there_and_back(kScheme, "user", "[192.0.2.1]") == "user@[192.0.2.1]");
  CHECK(there_and_back(kScheme, "\xC3\xA4", "x.test") == "\xC3\xA4@x.test");
  CHECK(there_and_back(kScheme, "\".a\"", "x.test") == "\".a\"@x.test");
}

TEST_CASE("case may be lost on the way") {
  std::string made = *kScheme.made("User", "x.test", kNow);
  for (char& c : made) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  CHECK(kScheme.read(made, kNow).address == "user@x.test");
}

TEST_CASE("an address has its time") {
  CHECK(there_and_back(kScheme, "u", "x.test", 21 * kDay) == "u@x.test");
  std::string made = *kScheme.made("u", "x.test", kNow);
  CHECK(kScheme.read(made, kNow + 22 * kDay).reading == Reading::expired);
  CHECK(kScheme.read(made, kNow - kDay).reading == Reading::good);
  CHECK(kScheme.read(made, kNow - 2 * kDay).reading == Reading::expired);
  CHECK(kScheme.read(made, kNow + 1000 * kDay).reading == Reading::expired);
}

TEST_CASE("nothing in an address can be changed") {
  std::string made = *kScheme.made("user", "x.test", kNow);
  for (size_t i = 5; i < made.size(); ++i) {
    std::string other = made;
    other[i] = other[i] == '1' ? '9' : '1';
    CAPTURE(other);
    CHECK(kScheme.read(other, kNow).reading != Reading::good);
  }
  CHECK(kScheme.read(made + "x", kNow).reading == Reading::forged);
  CHECK(Scheme({"another secret"}, 8, 21).read(made, kNow).reading == Reading::forged);
  CHECK(Scheme({}, 8, 21).read(made, kNow).reading == Reading::forged);
}

TEST_CASE("secrets are replaced, and hashes get another length") {
  std::string made = *kScheme.made("user", "x.test", kNow);
  Scheme rotated({"the next secret", "one secret of ours"}, 8, 21);
  CHECK(rotated.read(made, kNow).address == "user@x.test");
  CHECK(*rotated.made("user", "x.test", kNow) != made);
  CHECK(Scheme({"one secret of ours"}, 4, 21).read(made, kNow).reading == Reading::good);
  CHECK(Scheme({"one secret of ours"}, 12, 21).read(made, kNow).reading == Reading::forged);
}

TEST_CASE("what another forwarder made gets our name once, whatever the number of forwarders") {
  Scheme other({"secret of another one"}, 8, 21), third({"secret of a third one"}, 8, 21);
  std::string first = *other.made("u", "x.test", kNow);
  std::string second = *kScheme.made(first, "first.test", kNow);
  CHECK(second.starts_with("SRS1="));
  std::string later = *third.made(second, "ours.test", kNow);
  CHECK(later.size() == second.size());
  CHECK(third.read(later, kNow).address == first + "@first.test");
  CHECK(kScheme.read(second, kNow + 500 * kDay).address == first + "@first.test");
  CHECK(other.read(first, kNow).address == "u@x.test");
  CHECK(kScheme.read(later, kNow).reading == Reading::forged);
  CHECK(kScheme.read(*kScheme.made("SRS0+abc=XX=y.test=u", "first.test", kNow), kNow).address == "SRS0+abc=XX=y.test=u@first.test");
}

TEST_CASE("what is none of ours, and what is broken") {
  for (const char* local : {"user", "srs", "srs0", "srs0-team", "srs0+a", "", "\"", "\"srs0\""}) CHECK(kScheme.read(local, kNow).reading == Reading::foreign);
  for (const char* local : {"srs0=", "srs0=a", "srs0=a=b", "srs0=a=AA=c", "srs0=a=!!=c=d", "srs0=AAAAAAAA=AA==u", "srs0=AAAAAAAA=AA=x.test=", "srs1=", "srs1=a=b", "srs1=a==", "srs1=a=b=c"})
    CHECK(kScheme.read(local, kNow).reading == Reading::malformed);
  CHECK(is_rewritten("\"SRS0=x"));
  CHECK_FALSE(is_rewritten("srs0-team"));
}

TEST_CASE("an address that does not fit has a token of its own") {
  CHECK(there_and_back(kScheme, std::string(64, 'u'), "x.test") == "too long");
  std::string token = kScheme.token("long@x.test", kNow);
  CHECK(token.size() == 32);
  CHECK(token == kScheme.token("long@x.test", kNow + 60));
  CHECK(token != kScheme.token("long@x.test", kNow + kDay));
  CHECK(token != kScheme.token("other@x.test", kNow));
  CHECK(token_of("SRSK=" + token) == token);
  CHECK(token_of("srsk=" + std::string(32, 'a')) == std::string(32, 'A'));
  CHECK(token_of("SRSK=" + std::string(32, '1')).empty());
  CHECK(token_of("SRSK=A").empty());
}
