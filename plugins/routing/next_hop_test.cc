// Next hops and targets: what is taken, what is refused and with what words, bounds.
#include "routing/next_hop.hpp"

#include <doctest/doctest.h>

using namespace routing;

namespace {

std::string read(std::string_view text) {
  try {
    return next_hops(text);
  } catch (const std::invalid_argument& error) {
    return std::string("refused: ") + error.what();
  }
}

std::string target(std::string_view text) {
  const Target out = Target::parse(text);
  return out.refusal == 0 ? out.hops : std::to_string(out.refusal) + " " + out.reply.enhanced + " " + out.reply.text;
}

}  // namespace

TEST_CASE("next hops of each form") {
  for (const char* good : {"mx", "mx:a.test", "smtp://a.test", "smtp://a.test:2525", "smtp://[2001:db8::1]:25", "smtp://192.0.2.1", "lmtp://a.test:24", "lmtp:///run/x.sock",
                           "plugin:deliver-maildir/u@a.test", "plugin:x", "smtp://a|smtp://b*3,lmtp://c:24", "smtp://a.test*7", "mx*100"})
    CHECK_MESSAGE(read(good) == good, good);
  CHECK(read(" smtp://a | smtp://b*3 , mx ") == "smtp://a|smtp://b*3,mx");
}

TEST_CASE("what is none is refused, and named") {
  for (const char* bad : {"", " ", "a.test", "mx,", ",mx", "mx||mx", "smtp://", "smtp://a:0", "smtp://a:65536", "smtp://a:x", "smtp://a b", "smtp://[::1", "smtp://[zz]:25",
                          "lmtp://a", "lmtp:///", "mx:", "mx:a..b", "plugin:", "plugin:X", "plugin:x/a b", "mx*0", "mx*101", "http://a.test", "smtp://a\r\nb"})
    CHECK_MESSAGE(read(bad).starts_with("refused: '"), bad);
  CHECK(read("router:x") == "refused: 'router:x': a router stands in the routes of the core only");
  CHECK(read("mx*0") == "refused: 'mx*0': a weight is 1 to 100");
}

TEST_CASE("lists are bounded") {
  std::string most = "mx";
  for (int i = 1; i < 32; i++) most += ",mx";
  CHECK(read(most) == most);
  CHECK(read(most + ",mx").starts_with("refused: more than 32"));
  std::string longest;
  for (int i = 0; i < 5; i++) longest += (i > 0 ? ",mx:" : "mx:") + std::string(250, 'a');
  CHECK(read(longest).starts_with("refused: more than 32"));
}

TEST_CASE("transports as other programs write them in tables") {
  CHECK(target("lmtp:[127.0.0.1]:8024") == "lmtp://127.0.0.1:8024");
  CHECK(target("lmtp:[::1]:8024") == "lmtp://[::1]:8024");
  CHECK(target("lmtp:inet:box.test:24") == "lmtp://box.test:24");
  CHECK(target("lmtp:unix:/run/lmtp") == "lmtp:///run/lmtp");
  CHECK(target("smtp:[a.test]") == "smtp://a.test");
  for (const char* bad : {"lmtp:", "lmtp:[", "lmtp:[]:24", "lmtp:unix:run", "smtp:a.test", "lmtp:[a b]:24"}) CHECK_THROWS_AS((void)target(bad), std::invalid_argument);
}

TEST_CASE("values of tables") {
  CHECK(target(" smtp://a , mx") == "smtp://a,mx");
  CHECK(target("reject") == "5 5.1.1 There is no such recipient here");
  CHECK(target("REJECT 5.1.6 Moved to x@b.test") == "5 5.1.6 Moved to x@b.test");
  CHECK(target("defer  Mailbox is moving") == "4 4.2.1 Mailbox is moving");
  for (const char* bad : {"", "rejected x", "reject a\rb", "deferr", "smtp://"}) CHECK_THROWS_AS((void)target(bad), std::invalid_argument);
}
