// Routing: patterns, first match, fail-over and balance, the recipient's own next hop, hooks of stage route.
#include "outbound/router.h"

#include "outbound/test_rig.h"

using namespace veredus;
using namespace veredus::outbound_test;

namespace {

// Answers from a table by the router's name; one named "mute" never answers.
struct Choosers final : RouterPort {
  explicit Choosers(Loop& l) : loop(l) {}
  Task<RouteAnswer> route(Loop& here, std::string name, std::shared_ptr<const Envelope> envelope, uint32_t recipient) override {
    asked.push_back(name + " " + envelope->recipients[recipient].address.text());
    Event never(here);
    if (name == "mute") co_await never.wait(Deadline::never());
    co_return answers[name];
  }
  Loop& loop;
  std::map<std::string, RouteAnswer> answers;
  std::vector<std::string> asked;
};

struct Routes {
  Rig rig;
  Choosers choosers{rig.loop};
  bool has_choosers = true;
  Routed route(Recipient recipient, const std::string& pool = "") {
    auto envelope = std::make_shared<Envelope>();
    envelope->pool = pool;
    envelope->recipients.push_back(std::move(recipient));
    OutboundRouter router(std::make_shared<const Settings>(rig.settings), rig.runner);
    if (has_choosers) router.use(&choosers);
    std::optional<Routed> out;
    rig.scope.spawn(keep(router.route(envelope, 0), out));
    for (int i = 0; i < 10 && !out; ++i) rig.turns(1);
    REQUIRE(out.has_value());
    return std::move(*out);
  }
  Routed route(const std::string& address) {
    Recipient recipient;
    recipient.address = *Address::parse(address);
    return route(std::move(recipient));
  }
  std::string name(const std::string& address) { return route(address).destination->name; }
  void add(const std::string& match, const std::string& to) {
    std::vector<RouteSettings> before = rig.settings.routes;
    rig.route(to);
    rig.settings.routes[0].match = match;
    rig.settings.routes.insert(rig.settings.routes.begin(), before.begin(), before.end());
  }
  static Task<void> keep(Task<Routed> task, std::optional<Routed>& out) { out.emplace(co_await task); }
};

}  // namespace

TEST_CASE("local domains go to the plugin that delivers locally, unless a route before the one for everything names them") {
  Routes routes;
  routes.rig.settings.routes.clear();
  routes.add("lists.host.test", "lmtp://10.0.0.1:24");
  routes.add("*", "smtp://10.0.0.9");
  routes.rig.settings.hostname = "host.test";
  routes.rig.settings.local_domains = {"host.test", ".host.test"};
  CHECK(routes.name("ann@host.test") == "smtp://10.0.0.9:25");
  routes.rig.settings.local_delivery = true;
  CHECK(routes.name("ann@host.test") == "plugin:local");
  CHECK(routes.name("ann@A.HOST.test") == "plugin:local");
  CHECK(routes.name("ann@lists.host.test") == "lmtp://10.0.0.1:24");
  CHECK(routes.name("ann@else.test") == "smtp://10.0.0.9:25");
}

TEST_CASE("the first route that matches wins") {
  Routes routes;
  routes.rig.settings.routes.clear();
  routes.add("a.test", "smtp://127.0.0.1:1001");
  routes.add(".a.test", "smtp://127.0.0.1:1002,smtp://127.0.0.1:1003|smtp://127.0.0.1:1004");
  routes.add("a.test", "smtp://127.0.0.1:1009");
  routes.add("*", "mx");
  CHECK(routes.name("x@a.test") == "smtp://127.0.0.1:1001");
  CHECK(routes.name("x@A.TEST") == "smtp://127.0.0.1:1001");
  CHECK(routes.name("x@deep.b.a.test") == "smtp://127.0.0.1:1002,smtp://127.0.0.1:1003|smtp://127.0.0.1:1004");
  CHECK(routes.name("x@nota.test") == "mx:nota.test");
  CHECK(routes.route("x@other.test").destination->domain == "other.test");
}

TEST_CASE("a recipient's own next hop comes before the routes; nonsense is put off") {
  Routes routes;
  Recipient recipient;
  recipient.address = *Address::parse("x@a.test");
  recipient.next_hop = "lmtp:///run/lists/lmtp";
  Routed routed = routes.route(recipient);
  CHECK(routed.destination->name == "lmtp:///run/lists/lmtp");
  CHECK(routed.destination->lmtp);
  recipient.next_hop = "smtp://h1|smtp://H2:26*3,mx:b.test";
  CHECK(routes.route(recipient).destination->name == "smtp://h1:25|smtp://h2:26*3,mx:b.test");
  recipient.next_hop = "plugin:maildir/x";
  CHECK(routes.route(recipient).destination->name == "plugin:maildir/x");
  CHECK(routes.route(recipient).destination->lmtp);
  for (const char* bad : {"carrier pigeon", "mx, mx", "mx*0|mx", "router:a,mx"}) {
    recipient.next_hop = bad;
    Routed refused = routes.route(recipient);
    CHECK(refused.failure.code == 451);
    CHECK(refused.failure.enhanced.text() == "4.3.5");
  }
  recipient.next_hop.clear();
  CHECK(routes.route(recipient, "no-such-pool").failure.temporary());
}

TEST_CASE("a route hook chooses, refuses, or puts off") {
  Routes routes;
  routes.rig.hook(Stage::route, [](HookCall& call) {
    CHECK(call.subject().recipient->address.text() == "x@a.test");
    call.edits().push_back(SetRoute{0, "smtp://127.0.0.1:1005", ""});
    return Verdict();
  });
  CHECK(routes.name("x@a.test") == "smtp://127.0.0.1:1005");
  routes.rig.hook(Stage::route, [](HookCall&) {
    Verdict verdict;
    verdict.action = Action::reject;
    verdict.reply = Reply{550, {5, 7, 9}, {"not there"}};
    return verdict;
  });
  CHECK(routes.route("x@a.test").failure.enhanced.text() == "5.7.9");
  routes.rig.hook(Stage::route, [](HookCall&) {
    Verdict verdict;
    verdict.action = Action::tempfail;
    return verdict;
  });
  CHECK(routes.route("x@a.test").failure.temporary());
}

TEST_CASE("a route hook holds or discards, and its rule is named") {
  Routes routes;
  for (Action action : {Action::hold, Action::discard}) {
    routes.rig.hook(Stage::route, [action](HookCall&) {
      Verdict verdict;
      verdict.action = action;
      verdict.rule = "spam";
      return verdict;
    });
    Routed routed = routes.route("x@a.test");
    CHECK(routed.verdict == (action == Action::hold ? Outcome::held : Outcome::discarded));
    CHECK(routed.rule == "test: spam");
    CHECK_FALSE(routed.destination);
    CHECK(routed.failure.code == 0);
  }
}

TEST_CASE("a route hook sets the pool; other fields are a fault of the hook, and nothing is changed by half") {
  Routes routes;
  routes.rig.settings.pools["bulk"];
  routes.rig.hook(Stage::route, [](HookCall& call) {
    call.edits().push_back(SetField{"pool", "bulk"});
    return Verdict();
  });
  CHECK(routes.name("x@a.test") == "mx:a.test/bulk");
  routes.rig.hook(Stage::route, [](HookCall& call) {
    call.edits().push_back(SetField{"pool", "bulk"});
    call.edits().push_back(SetField{"tenant", "other"});
    return Verdict();
  });
  CHECK(routes.route("x@a.test").failure.code == 451);
  routes.rig.log.flush();
  CHECK(routes.rig.lines.has("hook.fault"));
}

TEST_CASE("a router chooses next hops, weights and pool") {
  Routes routes;
  routes.rig.settings.pools["bulk"];
  routes.rig.settings.pools["slow"];
  routes.rig.settings.routes.clear();
  routes.add("a.test", "router:rules");
  routes.choosers.answers["rules"] = {"smtp://h1*2|smtp://h2,mx", "bulk", {}};
  CHECK(routes.name("x@a.test") == "smtp://h1:25*2|smtp://h2:25,mx:a.test/bulk");
  CHECK(routes.choosers.asked == std::vector<std::string>{"rules x@a.test"});
  routes.rig.settings.routes[0].pool = "slow";
  routes.rig.settings.routes[0].ip = IpPreference::ipv6_only;
  routes.choosers.answers["rules"] = {"smtp://h1", "", {}};
  CHECK(routes.name("x@a.test") == "smtp://h1:25?ipv6_only/slow");
}

TEST_CASE("a router without an opinion leaves it to the next route; two in a row are asked one after the other") {
  Routes routes;
  routes.rig.settings.routes.clear();
  routes.add("*", "router:first");
  routes.add("*", "router:second");
  routes.add("a.test", "smtp://h1");
  CHECK(routes.name("x@a.test") == "smtp://h1:25");
  CHECK(routes.name("x@b.test") == "mx:b.test");
  CHECK(routes.choosers.asked.size() == 4);
  Recipient recipient;
  recipient.address = *Address::parse("x@a.test");
  recipient.next_hop = "router:third";
  CHECK(routes.route(recipient).destination->name == "smtp://h1:25");
}

TEST_CASE("what a router does wrong puts off; only the router itself fails a recipient for good") {
  Routes routes;
  routes.rig.settings.routes.clear();
  routes.add("*", "router:rules");
  auto with = [&](RouteAnswer answer) {
    routes.choosers.answers["rules"] = std::move(answer);
    return routes.route("x@a.test").failure;
  };
  CHECK(with({"", "", Reply{550, {5, 1, 1}, {"nobody"}}}).code == 550);
  CHECK(with({"", "", Reply{450, {4, 2, 1}, {"later"}}}).code == 450);
  CHECK(with({"", "", Reply{999, {}, {"?"}}}).temporary());
  CHECK(with({"nonsense", "", {}}).enhanced.text() == "4.3.5");
  CHECK(with({"mx", "no-such-pool", {}}).enhanced.text() == "4.3.5");
  CHECK(with({"router:other", "", {}}).enhanced.text() == "4.3.5");
  routes.has_choosers = false;
  CHECK(with({"mx", "", {}}).joined() == "451 4.3.5 No plugin rules chooses next hops here");
}
