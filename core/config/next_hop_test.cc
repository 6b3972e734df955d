// Next hops: the forms of one, lists in one text with weights, and what conf.d makes of them. Also helpers and the other settings that
// name plugins.
#include <doctest/doctest.h>

#include "config/load.h"
#include "config/show.h"
#include "config/test_support.h"

using namespace veredus;
using namespace veredus::test;

namespace {

std::string canonical(const std::string& text) {
  auto to = parse_next_hops(text);
  return to ? next_hops_text(*to) : "malformed";
}

std::string route(const std::string& to) {
  return errors(kListener + "routes: [{ match: a.test, to: " + to + " }]");
}

std::string helper(const std::string& fields) {
  return errors(kListener + "helpers: [{ " + fields + " }]");
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a plugin as next hop, with and without an argument") {
  auto hop = NextHop::parse("plugin:deliver-maildir/user@a.test");
  REQUIRE(hop);
  CHECK(hop->kind == NextHop::Kind::plugin);
  CHECK(hop->host == "deliver-maildir");
  CHECK(hop->argument == "user@a.test");
  CHECK(NextHop::parse("plugin:org.example.x")->argument.empty());
  CHECK(NextHop::parse("plugin:x//var/mail/a")->argument == "/var/mail/a");
  CHECK(NextHop::parse("plugin:x/")->text() == "plugin:x");
  CHECK(NextHop::parse("plugin:x/" + std::string(255, 'a'))->argument.size() == 255);
  CHECK(NextHop::parse("plugin:" + std::string(64, 'a')));
  for (std::string bad : {"plugin:", "plugin:X", "plugin:a_b", "plugin:a b", "plugin:x/a b", "plugin:x/a\tb", "plugin:x/%", "plugin:x/%2",
                          "plugin:x/%GG", "plugin:x/%0A", "plugin:x/%7f", "plugin:x/\xC3\xA4\x01", "plugin:x/a\x7F"})
    CHECK_MESSAGE(!NextHop::parse(bad), bad);
  CHECK_FALSE(NextHop::parse("plugin:x/" + std::string(256, 'a')));
  CHECK_FALSE(NextHop::parse("plugin:" + std::string(65, 'a')));
}

TEST_CASE("what would end an argument is written as octets, and comes back") {
  NextHop hop = *NextHop::parse("plugin:x/");
  hop.argument = "a,b|c*3 100%\xC3\xA4";
  CHECK(hop.text() == "plugin:x/a%2Cb%7Cc%2A3%20100%25%C3%A4");
  CHECK(NextHop::parse(hop.text()) == hop);
  CHECK(parse_next_hops(hop.text() + ",mx")->at(0).at(0) == hop);
}

TEST_CASE("lists in one text: fail-over, balance, weights") {
  CHECK(canonical("mx") == "mx");
  CHECK(canonical("smtp://A.test|smtp://b.test:26*3,mx:C.test") == "smtp://a.test:25|smtp://b.test:26*3,mx:c.test");
  CHECK(canonical("smtp://a.test*7") == "smtp://a.test:25");
  CHECK(canonical("mx*1|mx:b.test*100") == "mx|mx:b.test*100");
  CHECK(canonical("lmtp:///run/x|plugin:p/q*2") == "lmtp:///run/x|plugin:p/q*2");
  CHECK(canonical("router:rules") == "router:rules");
  CHECK(canonical("plugin:x/a*") == "plugin:x/a%2A");  // no digits, no weight
  for (const char* bad : {"", ",", "mx,", ",mx", "mx||mx", "mx|", "mx, mx", " mx", "mx ", "mx* 3|mx", "mx*0|mx:b.test", "mx*101|mx:b.test",
                          "mx*-1|mx", "mx*1*2|mx", "carrier pigeon", "router:a,mx", "router:a|mx", "router:a*2", "router:", "lmtp:///a b"})
    CHECK_MESSAGE(canonical(bad) == "malformed", bad);
}

TEST_CASE("lists in one text are bounded") {
  std::string most = "mx";
  for (int i = 1; i < 32; ++i) most += ",mx";
  CHECK(parse_next_hops(most));
  CHECK_FALSE(parse_next_hops(most + "|mx"));
  std::string longest = "plugin:x/" + std::string(255, 'a');
  for (int i = 0; i < 2; ++i) longest += ",plugin:x/" + std::string(255, 'a');
  CHECK(parse_next_hops(longest + ",plugin:x/" + std::string(1024 - longest.size() - 10, 'b')));
  CHECK_FALSE(parse_next_hops(longest + ",plugin:x/" + std::string(1024 - longest.size() - 9, 'b')));
}

TEST_CASE("weights and plugins in conf.d") {
  auto result = core(kListener + "routes: [{ match: a.test, to: [[\"smtp://h1*3\", \"plugin:x/y\"], \"plugin:late\"] }]");
  REQUIRE(result);
  const Settings& s = *result.value().settings;
  CHECK(next_hops_text(s.routes[0].to) == "smtp://h1:25*3|plugin:x/y,plugin:late");
  CHECK(has(render_show(s, false), "to: [[\"smtp://h1:25*3\", plugin:x/y], plugin:late]"));
  CHECK(has(route("[\"mx*3\"]"), "routes[].to: 'mx*3' has a weight, but is not in an inner list"));
  CHECK(has(route("[[\"mx*0\", mx]]"), "'mx*0' is not a next hop"));
  CHECK(has(route("[\"plugin:No\"]"), "'plugin:No' is not a next hop"));
}

TEST_CASE("a router stands alone, and in routes only") {
  CHECK(route("[\"router:rules\"]").empty());
  CHECK(has(route("[\"router:rules\", mx]"), "routes[].to: 'router:rules' must be the only next hop"));
  CHECK(has(route("[[mx, \"router:rules\"]]"), "must be the only next hop"));
  CHECK(has(errors(kListener + "outbound: { fallback: [\"router:rules\"] }"), "outbound.fallback: 'router:rules' is for routes only"));
}

TEST_CASE("helpers") {
  auto result = core(kListener + "helpers: [{ name: pam, command: [/usr/lib/x, --fast], user: mail }]");
  REQUIRE(result);
  const HelperSettings& pam = result.value().settings->helpers.at(0);
  CHECK(pam.command == std::vector<std::string>{"/usr/lib/x", "--fast"});
  CHECK(pam.user == "mail");
  CHECK(pam.group.empty());
  CHECK(pam.directory == "/");
  CHECK(has(helper("name: a, command: [x]"), "helpers[].command: 'x' is not an absolute path"));
  CHECK(has(helper("name: a, command: []"), "helpers[].command"));
  CHECK(has(helper("name: a"), "command"));
  CHECK(has(helper("command: [/x]"), "name"));
  CHECK(has(helper("name: a, command: [/x] }, { name: a, command: [/y]"), "helpers[].name: 'a' is taken by an earlier helper"));
  CHECK(has(helper("name: a, command: [/x], directory: tmp"), "helpers[].directory"));
}

TEST_CASE("what plugins stand behind: resolver, store, patience") {
  Settings none = default_settings();
  CHECK(none.resolver.empty());
  CHECK(none.kv.store.empty());
  CHECK(none.kv.path == "/var/lib/veredus/kv.db");
  CHECK(none.plugins.slow == Millis(2));
  auto result = core(kListener + "state: /srv/x\nresolver: unbound\nkv: { store: redis }\nplugins: { slow: 5ms }");
  REQUIRE(result);
  const Settings& s = *result.value().settings;
  CHECK(s.resolver == "unbound");
  CHECK(s.kv.store == "redis");
  CHECK(s.kv.path == "/srv/x/kv.db");
  CHECK(s.plugins.slow == Millis(5));
  CHECK(has(errors(kListener + "plugins: { slow: 0ms }"), "out of range"));
  CHECK(has(errors(kListener + "kv: { path: kv.db }"), "kv.path"));
}
