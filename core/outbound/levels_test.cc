// How strictly connections are secured: which level a recipient gets, and what a level demands of a next hop.
#include "outbound/router.h"
#include "outbound/security.h"
#include "outbound/test_rig.h"

using namespace veredus;
using namespace veredus::outbound_test;

namespace {

struct Tables final : TablePort {
  bool offers(std::string_view) const override { return true; }
  Task<TableAnswer> look_up(Loop&, std::string, std::string key, Deadline) override {
    asked.push_back(key);
    auto place = rows.find(key);
    TableAnswer out;
    out.kind = broken ? TableAnswer::Kind::temporary : place == rows.end() ? TableAnswer::Kind::absent : TableAnswer::Kind::found;
    out.problem = "the table is away";
    if (place != rows.end()) out.value = place->second;
    co_return out;
  }
  std::map<std::string, std::string> rows;
  std::vector<std::string> asked;
  bool broken = false;
};

struct OneHop final : RouterPort {
  Task<RouteAnswer> route(Loop&, std::string, std::shared_ptr<const Envelope>, uint32_t) override {
    RouteAnswer out;
    out.next_hop = "smtp://h1:25";
    co_return out;
  }
};

struct Policies final : TlsPolicyPort {
  bool any() const override { return true; }
  Task<Result<std::shared_ptr<const PublishedPolicy>>> find(Loop&, std::string domain, Deadline) override {
    asked.push_back(domain);
    co_return std::make_shared<const PublishedPolicy>(rows[domain]);
  }
  std::map<std::string, PublishedPolicy> rows;
  std::vector<std::string> asked;
};

template <typename T>
Task<void> keep(Task<T> task, std::optional<T>& out) {
  out.emplace(co_await std::move(task));
}

struct Levels {
  Levels() {
    rig.settings.routes.clear();
    rig.settings.tls.outbound = TlsLevel::opportunistic;
  }
  Routed routed(const std::string& address) {
    auto envelope = std::make_shared<Envelope>(base);
    envelope->recipients.emplace_back();
    envelope->recipients[0].address = *Address::parse(address);
    OutboundRouter router(std::make_shared<const Settings>(rig.settings), rig.runner);
    router.use(&tables);
    router.use(&hop);
    std::optional<Routed> out;
    rig.scope.spawn(keep<Routed>(router.route(envelope, 0), out));
    for (int i = 0; i < 10 && !out; ++i) rig.turns(1);
    REQUIRE(out.has_value());
    return std::move(*out);
  }
  std::string name(const std::string& address) {
    Routed found = routed(address);
    return found.destination ? found.destination->name : found.failure.joined();
  }
  void add(const std::string& match, const std::string& to, const std::string& tls, const std::string& credentials = "") {
    RouteSettings row;
    row.match = match;
    row.to = *parse_next_hops(to);
    row.tls = tls;
    row.credentials = credentials;
    rig.settings.routes.push_back(row);
  }
  void policy(const std::string& match, TlsLevel level) {
    TlsPolicySettings row;
    row.match = match;
    row.level = level;
    rig.settings.tls.policies.push_back(row);
  }
  Security security(const Destination& to, const Target& target) {
    SettingsPtr settings = std::make_shared<const Settings>(rig.settings);
    if (!context) context = std::make_unique<OutboundContext>(rig.loop, rig.dns, rig.spool, rig.log, rig, rig.runner, OwnAddresses({}));
    context->tls_policies = &policies;
    std::optional<Security> out;
    rig.scope.spawn(keep<Security>(find_security(*context, settings, std::make_shared<const Destination>(to), target), out));
    for (int i = 0; i < 10 && !out; ++i) rig.turns(1);
    REQUIRE(out.has_value());
    return std::move(*out);
  }
  static Destination at(TlsLevel level) {
    Destination out;
    RouteTable::secure(out, RouteTable::policy_of(level));
    return out;
  }
  static Target mx(const std::string& host, const std::string& domain) {
    Target out;
    out.host = host;
    out.mx = true;
    out.mx_domain = domain;
    out.to = *Endpoint::parse("192.0.2.1:25");
    return out;
  }

  Rig rig;
  Envelope base;
  Tables tables;
  OneHop hop;
  Policies policies;
  std::unique_ptr<OutboundContext> context;
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a plugin's level comes before the route's, that before the table, that before policies") {
  Levels levels;
  levels.add("r.test", "mx", "dane");
  levels.policy(".b.test", TlsLevel::encrypt);
  levels.policy("*", TlsLevel::verify);
  CHECK(levels.name("x@r.test") == "mx:r.test?tls=dane");
  CHECK(levels.name("x@a.b.test") == "mx:a.b.test?tls=encrypt");
  CHECK(levels.name("x@b.test") == "mx:b.test?tls=verify");
  CHECK(levels.tables.asked.empty());
  levels.rig.settings.tls.policy_table = "levels";
  levels.tables.rows = {{".b.test", "dane-only"}, {"r.test", "none"}};
  CHECK(levels.name("x@deep.a.b.test") == "mx:deep.a.b.test?tls=dane-only");
  CHECK(levels.tables.asked == Names{"deep.a.b.test", ".a.b.test", ".b.test"});
  CHECK(levels.name("x@r.test") == "mx:r.test?tls=dane");
  levels.rig.hook(Stage::route, [](HookCall& call) {
    call.edits().push_back(SetField{"tls", "mta-sts"});
    return Verdict();
  });
  CHECK(levels.name("x@r.test") == "mx:r.test?tls=mta-sts");
}

TEST_CASE("a table that cannot tell, or tells nonsense, is no level at all: the recipient waits") {
  Levels levels;
  levels.policy("*", TlsLevel::encrypt);
  levels.rig.settings.tls.policy_table = "levels";
  levels.tables.broken = true;
  CHECK(levels.name("x@a.test").starts_with("451 4.7.5 It cannot be told now how mail for a.test must be secured: the table is away"));
  levels.tables.broken = false;
  for (const char* nonsense : {"", "strict", "verify names", "verify names=", "verify color=red", "encrypt!"}) {
    levels.tables.rows["a.test"] = nonsense;
    CHECK(levels.name("x@a.test").starts_with("451 4.3.5 tls.policy_table"));
  }
  CHECK(levels.name("x@b.test") == "mx:b.test?tls=encrypt");
}

TEST_CASE("everything that a table's row says is part of the destination") {
  Levels levels;
  levels.rig.settings.tls.policy_table = "levels";
  levels.tables.rows["a.test"] = "verify names=mx.a.test:.b.test ca=/etc/ca.pem";
  CHECK(levels.name("x@a.test") == "mx:a.test?tls=verify,mx.a.test,.b.test,ca:/etc/ca.pem");
  levels.tables.rows["a.test"] = "verify fingerprint=ab01:cd02";
  CHECK(levels.routed("x@a.test").destination->tls->fingerprints == Names{"ab01", "cd02"});
  levels.tables.rows["a.test"] = "verify fingerprint=AB:01:CD:02";
  CHECK(levels.routed("x@a.test").destination->tls->fingerprints == Names{"AB:01:CD:02"});
}

TEST_CASE("what a plugin chooses for a route is secured and authenticated as the route says") {
  Levels levels;
  levels.add("*", "router:rules", "encrypt", "account");
  CHECK(levels.name("x@a.test") == "smtp://h1:25?tls=encrypt?auth=account");
  CHECK(levels.routed("x@a.test").destination->credentials == "account");
}

TEST_CASE("TLS-Required: No lets go of what the domain publishes, never of what the administrator demands") {
  Levels levels;
  levels.add("*", "mx", "");
  levels.base.notes.emplace_back(kTlsRequiredNote, "no");
  CHECK(levels.name("x@a.test") == "mx:a.test?tls=opportunistic?unpublished");
  CHECK_FALSE(levels.routed("x@a.test").destination->published);
  for (auto [level, name] : {std::pair(TlsLevel::dane, "opportunistic?unpublished"), {TlsLevel::none, ""}, {TlsLevel::encrypt, ""}, {TlsLevel::verify, ""}, {TlsLevel::mta_sts, ""}}) {
    levels.rig.settings.tls.outbound = level;
    CHECK(levels.name("x@a.test") == "mx:a.test" + (*name ? "?tls=" + std::string(name) : ""));
  }
  levels.rig.settings.routes[0].tls = "verify";
  CHECK(levels.name("x@a.test") == "mx:a.test?tls=verify");
  levels.rig.settings.routes[0].tls = "dane";
  levels.base.require_tls = true;  // which counts instead
  CHECK(levels.name("x@a.test") == "mx:a.test?tls=dane");
  PublishedPolicy policy;
  policy.mode = PublishedPolicy::Mode::enforce;
  policy.mx = {"mx.a.test"};
  levels.policies.rows["a.test"] = policy;
  Destination relaxed = levels.at(TlsLevel::opportunistic);
  relaxed.published = false;
  Security found = levels.security(relaxed, levels.mx("elsewhere.test", "a.test"));
  CHECK(found.wanted);
  CHECK_FALSE(found.required);
  CHECK(levels.policies.asked.empty());
}

TEST_CASE("the names of verify") {
  Levels levels;
  levels.rig.settings.tls.ca = "/etc/ca.pem";
  Security found = levels.security(levels.at(TlsLevel::verify), levels.mx("mx1.elsewhere.test", "a.test"));
  CHECK(found.required);
  CHECK(found.names == Names{"a.test", ".a.test"});  // the exchanger's name was not signed
  CHECK(found.sni == "mx1.elsewhere.test");
  Target secure = levels.mx("mx1.elsewhere.test", "a.test");
  secure.secure_mx = true;
  CHECK(levels.security(levels.at(TlsLevel::verify), secure).names == Names{"mx1.elsewhere.test", "a.test", ".a.test"});
  Target host;
  host.host = "Relay.Test";
  CHECK(levels.security(levels.at(TlsLevel::verify), host).names == Names{"relay.test"});
  Destination named = levels.at(TlsLevel::verify);
  named.tls->names = {"other.test"};
  CHECK(levels.security(named, secure).names == Names{"other.test"});
}

TEST_CASE("addresses are no server names, and sockets on this host need no TLS") {
  Levels levels;
  Target literal;
  literal.host = "192.0.2.1";
  CHECK(levels.security(levels.at(TlsLevel::encrypt), literal).sni.empty());
  CHECK(levels.security(levels.at(TlsLevel::dane_only), literal).refusal.joined().starts_with("451 4.7.4 DANE is required"));
  Target socket;
  socket.host = socket.unix_path = "/run/lmtp";
  socket.lmtp = true;
  for (TlsLevel level : {TlsLevel::encrypt, TlsLevel::verify, TlsLevel::dane, TlsLevel::dane_only, TlsLevel::mta_sts, TlsLevel::opportunistic}) {
    Security found = levels.security(levels.at(level), socket);
    CHECK_FALSE(found.wanted);
    CHECK(found.refusal.code == 0);
  }
}

TEST_CASE("MTA-STS: the policy is that of the domain whose exchangers are used; what it does not list is not used") {
  Levels levels;
  PublishedPolicy policy;
  policy.mode = PublishedPolicy::Mode::enforce;
  policy.mx = {"mx.relay.test", "*.pool.test"};
  levels.policies.rows["relay.test"] = policy;
  Security found = levels.security(levels.at(TlsLevel::opportunistic), levels.mx("MX.relay.test", "relay.test"));
  CHECK(levels.policies.asked == Names{"relay.test"});
  CHECK(found.required);
  CHECK(found.check == Security::Check::chain);
  CHECK(found.names == Names{"mx.relay.test"});
  CHECK(found.told.type == "sts");
  CHECK(levels.security(levels.at(TlsLevel::opportunistic), levels.mx("a.pool.test", "relay.test")).refusal.code == 0);
  for (const char* stranger : {"pool.test", "a.b.pool.test", "apool.test", "mx.relay.test.evil.test"}) {
    Security refused = levels.security(levels.at(TlsLevel::opportunistic), levels.mx(stranger, "relay.test"));
    CHECK(refused.refusal.joined().starts_with("451 4.7.5 "));
    CHECK(refused.told.result == "validation-failure");
  }
  // One domain's policy says nothing of another's, though the host is the same
  Security free = levels.security(levels.at(TlsLevel::opportunistic), levels.mx("a.b.pool.test", "other.test"));
  CHECK(free.refusal.code == 0);
  CHECK_FALSE(free.required);
}

TEST_CASE("MTA-STS in mode testing lets pass what level mta-sts refuses") {
  Levels levels;
  PublishedPolicy policy;
  policy.mode = PublishedPolicy::Mode::testing;
  policy.mx = {"mx.a.test"};
  levels.policies.rows["a.test"] = policy;
  Security found = levels.security(levels.at(TlsLevel::opportunistic), levels.mx("mx2.a.test", "a.test"));
  CHECK(found.refusal.code == 0);
  CHECK_FALSE(found.required);
  CHECK(found.testing);
  CHECK(found.told.result == "validation-failure");
  CHECK(levels.security(levels.at(TlsLevel::mta_sts), levels.mx("mx2.a.test", "a.test")).refusal.code == 451);
  CHECK(levels.security(levels.at(TlsLevel::mta_sts), levels.mx("mx.a.test", "a.test")).required);
  CHECK(levels.security(levels.at(TlsLevel::mta_sts), levels.mx("mx.b.test", "b.test")).refusal.joined().starts_with("451 4.7.4 A policy by MTA-STS is required of b.test"));
  Target host;
  host.host = "relay.test";
  CHECK(levels.security(levels.at(TlsLevel::mta_sts), host).refusal.joined().find("a host of the configuration") != std::string::npos);
}
