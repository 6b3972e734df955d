// Data of records, words of settings, and the engine without a network.
#include <doctest/doctest.h>

#include <condition_variable>
#include <stdexcept>

#include "engine.hpp"
#include "rdata.hpp"
#include "settings.hpp"

using namespace resolver_unbound;
using namespace std::string_literals;

TEST_CASE("data of records") {
  CHECK(read_rdata(kA, "\x7f\0\0\1"s)->text == "127.0.0.1");
  CHECK(read_rdata(kAaaa, std::string(15, '\0') + '\1')->text == "::1");
  const auto mx = read_rdata(kMx, "\0\x0a\2MX\1d\4test\0"s);
  CHECK(mx->preference == 10);
  CHECK(mx->text == "mx.d.test");
  CHECK(read_rdata(kMx, "\0\0\0"s)->text.empty());
  CHECK(read_rdata(kTxt, "\3v=s\2pf"s)->text == "v=spf");
  CHECK(read_rdata(kTlsa, "\3\1\1abc"s)->data == "\3\1\1abc");
  CHECK(read_rdata(kPtr, "\3a.b\1\0\0"s)->text == "a\\046b.\\000");
  CHECK(read_rdata(kSoa, "\2ns\4test\0\4root\0\0\0"s)->text == "ns.test");
}

TEST_CASE("data that is none") {
  for (const auto& [type, wire] : {std::pair(kA, "abc"s), std::pair(kAaaa, "abcd"s), std::pair(kMx, "\0\1"s), std::pair(kMx, "\0\1\5ab"s), std::pair(kTxt, "\5ab"s),
                                   std::pair(kNs, ""s), std::pair(kNs, "\1a"s), std::pair(kNs, "\xc0\x0c"s), std::pair(kNs, "\1a\0x"s), std::pair(kSoa, "\1a"s)})
    CHECK(!read_rdata(type, wire));
}

TEST_CASE("addresses") {
  CHECK(unbound_address("192.0.2.1") == "192.0.2.1@53");
  CHECK(unbound_address("192.0.2.1:5353") == "192.0.2.1@5353");
  CHECK(unbound_address("2001:db8::1") == "2001:db8::1@53");
  CHECK(unbound_address("[2001:db8::1]:54") == "2001:db8::1@54");
  CHECK(unbound_address("[::1]") == "::1@53");
  for (const char* wrong : {"", "a.test", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:x", "[::1", "[::1]53", "192.0.2.1@53", "1.2.3"}) CHECK_MESSAGE(!unbound_address(wrong), wrong);
  CHECK(words_of("a, b  c,").size() == 3);
}

TEST_CASE("zones and options") {
  for (const char* zone : {".", "test", "example.test.", "10.in-addr.arpa"}) CHECK(is_zone(zone));
  for (const char* zone : {"", "a..b", ".a", "a b", "a\"b"}) CHECK(!is_zone(zone));
  CHECK(option_of("do-ip6: no") == std::pair("do-ip6:"s, "no"s));
  for (const char* wrong : {"do-ip6", ": no", "do-ip6:", "do-ip6:  "}) CHECK(!option_of(wrong));
}

TEST_CASE("wrong settings are refused with libunbound's reason") {
  EngineOptions options;
  options.root_anchor = "/nonexistent/root.key";
  CHECK_THROWS_AS(Engine{options}, std::runtime_error);
  options.root_anchor.clear();
  options.options = {{"no-such-option:", "yes"}};
  CHECK_THROWS_WITH(Engine{options}, doctest::Contains("no-such-option"));
}

TEST_CASE("what is asked is answered once, also when the engine ends") {
  EngineOptions options;
  options.stubs = {{".", {"127.0.0.1@9"}}};  // nobody answers there
  options.options = {{"do-not-query-localhost:", "no"}};
  std::atomic<int> here = 0, given_up = 0;
  {
    Engine engine(options);
    for (int i = 0; i < 20; i++) engine.ask("localhost", kA, [&](const ub_result* result, const std::string&) { here += result != nullptr && result->havedata; });
    while (here < 20) std::this_thread::yield();
    for (int i = 0; i < 20; i++) engine.ask("n" + std::to_string(i) + ".example.com", kA, [&](const ub_result* result, const std::string&) { given_up += result == nullptr || result->rcode != 0; });
    engine.stop();
    engine.ask("localhost", kA, [&](const ub_result* result, const std::string&) { given_up += result == nullptr; });
    CHECK(engine.under_way() == 0);
  }
  CHECK(here == 20);
  CHECK(given_up == 21);
}
