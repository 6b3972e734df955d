// Routing: patterns, first match, fail-over and balance, the recipient's own next hop, hooks of stage route.
#include "outbound/router.h"

#include "outbound/test_rig.h"

using namespace veredus;
using namespace veredus::outbound_test;

namespace {

struct Routes {
  Rig rig;
  Routed route(Recipient recipient, const std::string& pool = "") {
    auto envelope = std::make_shared<Envelope>();
    envelope->pool = pool;
    envelope->recipients.push_back(std::move(recipient));
    OutboundRouter router(std::make_shared<const Settings>(rig.settings), rig.runner);
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
  recipient.next_hop = "carrier pigeon";
  CHECK(routes.route(recipient).failure.temporary());
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
