// Loading configurations that are right: the example, types, splitting, resolved defaults, files and
// directories.
#include "config/find_setting.h"
#include "config/load.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "config/test_support.h"

using namespace veredus;
using namespace veredus::test;

namespace {

constexpr const char* kExample = R"(core:
  hostname: mx.example.test
  spool: /var/spool/veredus
  control: /run/veredus/control          # unix socket
  resolvers: ["127.0.0.1:5300"]          # default: /etc/resolv.conf
  loops: 2                               # default: one per core
  listeners:
    - { address: "127.0.0.1:2525", role: mx }        # mx | submission | relay | lmtp
  relay_networks: [127.0.0.0/8]          # may relay anywhere
  relay_domains: [example.test]          # accepted from anyone
  routes:                                # first match wins
    - { match: sink.test, to: ["smtp://127.0.0.1:2526", "smtp://127.0.0.1:2527"] }
    - { match: .lists.test, to: ["lmtp:///run/lists/lmtp"] }
    - { match: "*", to: [mx] }
  queue:
    retry: [5m, 15m, 1h, 4h]             # after the n-th failure; the last repeats; seconds are fine
    expire: 5d
    delay_warning: 4h
)";

Settings good(const std::string& body) {
  auto result = core(body);
  REQUIRE_MESSAGE(result.ok(), result.error_text());
  return *result.value().settings;
}

class Directory {
 public:
  Directory() {
    char name[] = "/tmp/veredus-config-XXXXXX";
    REQUIRE(mkdtemp(name));
    path = name;
  }
  ~Directory() { std::filesystem::remove_all(path); }
  void write(const std::string& name, const std::string& text) { std::ofstream(path + "/" + name) << text; }
  std::string path;
};

std::vector<std::string> texts(const std::vector<Network>& networks) {
  std::vector<std::string> out;
  for (const Network& network : networks) out.push_back(network.text());
  return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("the example of the contract") {
  auto result = parse(kExample);
  REQUIRE_MESSAGE(result.ok(), result.error_text());
  CHECK(result.value().warnings.empty());
  const Settings& s = *result.value().settings;
  CHECK(s.hostname == "mx.example.test");
  CHECK(s.spool.path == "/var/spool/veredus");
  CHECK(s.control == "/run/veredus/control");
  REQUIRE(s.resolvers.size() == 1);
  CHECK(s.resolvers[0].text() == "127.0.0.1:5300");
  CHECK(s.loops == 2);
  REQUIRE(s.listeners.size() == 1);
  CHECK(s.listeners[0].address.text() == "127.0.0.1:2525");
  CHECK(s.listeners[0].role == Role::mx);
  CHECK(texts(s.relay_networks) == Texts{"127.0.0.0/8"});
  CHECK(s.relay_domains == Texts{"example.test"});
  CHECK(s.queue.retry ==
        std::vector<Millis>{Millis(300'000), Millis(900'000), Millis(3'600'000), Millis(14'400'000)});
  CHECK(s.queue.expire == Millis(5 * 86'400'000ll));
  CHECK(s.queue.delay_warning == Millis(4 * 3'600'000));
}

TEST_CASE("routes of the example, and mx at the end") {
  Settings s = *parse(kExample).value().settings;
  REQUIRE(s.routes.size() == 4);
  CHECK(s.routes[0].match == "sink.test");
  REQUIRE(s.routes[0].to.size() == 2);
  CHECK(s.routes[0].to[1].at(0) == NextHop{NextHop::Kind::smtp, "127.0.0.1", 2527});
  CHECK(s.routes[1].to[0].at(0) == NextHop{NextHop::Kind::lmtp_unix, "/run/lists/lmtp", 0});
  CHECK(s.routes[3].match == "*");
  CHECK(s.routes[3].to[0].at(0) == NextHop{});
}

TEST_CASE("nothing configured: the defaults of the contract") {
  Settings s = good("");
  CHECK(s.limits.message_size == 50u << 20);
  CHECK(s.limits.header_size == 1u << 20);
  CHECK(s.limits.command_line == 2048);
  CHECK(s.limits.auth_line == 12288);
  CHECK(s.limits.recipients == 1000);
  CHECK(s.limits.errors == 20);
  CHECK(s.limits.connections == 10000);
  CHECK(s.limits.connections_per_client == 50);
  CHECK(s.limits.connection_rate + s.limits.message_rate + s.limits.recipient_rate == 0);
  CHECK(s.limits.ban == Millis(0));
  CHECK(s.outbound.port == 25);
  CHECK(s.outbound.idle == Millis(500));
  CHECK(s.bare_newlines == BareNewlines::reject);
  CHECK_FALSE(s.ptr_lookup);
  CHECK(s.state == "/var/lib/veredus");
  CHECK(texts(s.relay_networks) == Texts{"127.0.0.0/8", "::1/128"});
  CHECK(s.relay_domains.empty());
  CHECK(s.proxy_networks.empty());
  CHECK(s.xclient_networks.empty());
  CHECK(s.tls.outbound == TlsLevel::opportunistic);
  CHECK(texts(s.tls.trusted_resolvers) == Texts{"127.0.0.0/8", "::1/128"});
}

TEST_CASE("defaults that follow from the system and from other settings") {
  Settings s = good("relay_networks: [10.0.0.0/8]\nrelay_domains: [.sub.test, First.Test, other.test]");
  CHECK(s.hostname == "host.example.test");
  CHECK(s.postmaster == "postmaster@first.test");
  CHECK(s.local_domains == Texts{"host.example.test", "mail.example.test", "localhost"});
  CHECK(texts(s.exempt_networks) == Texts{"127.0.0.0/8", "::1/128", "10.0.0.0/8"});
  CHECK(texts(s.normalise_networks) == Texts{"10.0.0.0/8"});
  CHECK(good("").postmaster == "postmaster@host.example.test");
  CHECK(good("postmaster: Ops@a.test").postmaster == "Ops@a.test");
  CHECK(good("exempt_networks: []").exempt_networks.empty());
  CHECK(good("local_domains: []").local_domains.empty());
}

TEST_CASE("a host name without a dot works and warns; an unusable one becomes localhost") {
  auto with_name = [](const char* name) {
    return parse_config({{"conf.d/00-core.yaml", "core:\n  " + kListener}},
                        LoadOptions(SystemNames{name, ""}));
  };
  auto box = with_name("Box");
  CHECK(box.value().settings->hostname == "box");
  REQUIRE(box.value().warnings.size() == 1);
  CHECK(box.value().warnings[0].full() ==
        "hostname: 'box' is not fully qualified; other hosts may refuse mail from it (set hostname)");
  CHECK(with_name("bad name").value().settings->hostname == "localhost");
  CHECK(with_name("host.test").value().warnings.empty());
}

TEST_CASE("limits stand under limits: or at the top") {
  CHECK(good("limits: { message_size: 10MiB, recipients: 5 }").limits.message_size == 10u << 20);
  Settings s = good("message_size: 10MiB\nrecipients: 5\nconnections_per_client: 7");
  CHECK(s.limits.message_size == 10u << 20);
  CHECK(s.limits.recipients == 5);
  CHECK(s.limits.connections_per_client == 7);
  CHECK(s.origins.at("limits.recipients") == "conf.d/00-core.yaml:3:3");
}

TEST_CASE("every listener key and role") {
  Settings s = good(R"(proxy_networks: [192.0.2.0/24]
listeners:
  - { address: "127.0.0.1:2525", role: submission }
  - address: 127.0.0.1:2526
    role: lmtp
    proxy: true
  - { address: "[::1]:2527", role: relay, tls: starttls }
  - { address: "127.0.0.1:2528" })");
  REQUIRE(s.listeners.size() == 4);
  CHECK(s.listeners[0].role == Role::submission);
  CHECK(s.listeners[1].role == Role::lmtp);
  CHECK(s.listeners[1].proxy);
  CHECK(s.listeners[2].role == Role::relay);
  CHECK(s.listeners[2].address.text() == "[::1]:2527");
  CHECK(s.listeners[3].role == Role::mx);
  CHECK(s.listeners[3].tls == ListenerTls::starttls);
}

TEST_CASE("fail-over and balance in a route") {
  Settings s = good(
      "routes: [{ match: A.Test, to: [[\"smtp://h1\", \"smtp://[::1]:26\"], \"mx:B.test\"], ip: ipv4_only "
      "}]");
  REQUIRE(s.routes[0].to.size() == 2);
  CHECK(s.routes[0].match == "a.test");
  CHECK(s.routes[0].to[0] ==
        std::vector<NextHop>{{NextHop::Kind::smtp, "h1", 25}, {NextHop::Kind::smtp, "::1", 26}});
  CHECK(s.routes[0].to[1] == std::vector<NextHop>{{NextHop::Kind::mx, "b.test", 0}});
  CHECK(s.routes[0].ip == IpPreference::ipv4_only);
}

TEST_CASE("sources, pools, providers, limits, hosts") {
  Settings s = good(R"(sources:
  a: { ipv4: 192.0.2.1, helo: A.example.test }
  b: { ipv6: "2001:db8::1" }
pools: { bulk: [a, b] }
providers:
  big: { mx: [.big.test], networks: [192.0.2.0/24] }
outbound_limits:
  gently: { per: [provider, tenant], match: { provider: big }, connections: 5, rate: 600, rate_period: 1h }
routes: [{ match: x.test, to: [mx], pool: bulk }]
hosts: { MX.a.test: [127.0.0.1, "::1"] })");
  CHECK(s.sources.at("a").name == "a");
  CHECK(s.sources.at("a").helo == "a.example.test");
  CHECK(s.sources.at("b").address6.text() == "2001:db8::1");
  CHECK(s.pools.at("bulk").name == "bulk");
  CHECK(s.pools.at("bulk").sources == Texts{"a", "b"});
  REQUIRE(s.providers.size() == 1);
  CHECK(s.providers[0].name == "big");
  REQUIRE(s.outbound_limits.size() == 1);
  const LimitSettings& limit = s.outbound_limits[0];
  CHECK(limit.name == "gently");
  CHECK(limit.per == Texts{"provider", "tenant"});
  CHECK(limit.match.at("provider") == "big");
  CHECK(limit.connections == 5);
  CHECK(limit.rate == 600);
  CHECK(limit.rate_period == Millis(3'600'000));
  CHECK(s.hosts.at("mx.a.test").size() == 2);
}

TEST_CASE("a record without a value has its default") {
  CHECK(good("outbound_limits: { x: { connections: 1 } }").outbound_limits[0].rate_period == Millis(60'000));
}

TEST_CASE("core: may be split over files, tables too") {
  auto result = parse_config(
      {{"c/00-a.yaml", "core:\n  queue: { expire: 1d }\n  hosts: { a.test: [127.0.0.1] }\n"},
       {"c/10-b.yaml", "core:\n  queue: { delay_warning: 1h }\n  hosts: { b.test: [127.0.0.2] }\n"},
       {"c/20-c.yaml", "core:\n"}},
      options());
  REQUIRE_MESSAGE(result.ok(), result.error_text());
  CHECK(result.value().settings->hosts.size() == 2);
  CHECK(result.value().settings->queue.expire == Millis(86'400'000));
  CHECK(result.value().settings->queue.delay_warning == Millis(3'600'000));
}

TEST_CASE("resolvers have port 53 unless they say otherwise") {
  Settings s = good("resolvers: [127.0.0.1, \"[::1]:5300\", \"::1\"]");
  CHECK(s.resolvers[0].text() == "127.0.0.1:53");
  CHECK(s.resolvers[1].text() == "[::1]:5300");
  CHECK(s.resolvers[2].text() == "[::1]:53");
}

TEST_CASE("tls is read") {
  Settings s = good(
      "tls: { certificates: [{ cert: /a.pem, key: /a.key }], outbound: none, trusted_resolvers: [192.0.2.1] "
      "}");
  REQUIRE(s.tls.certificates.size() == 1);
  CHECK(s.tls.certificates[0].key == "/a.key");
  CHECK(s.tls.outbound == TlsLevel::none);
  CHECK(texts(s.tls.trusted_resolvers) == Texts{"192.0.2.1/32"});
}

TEST_CASE("policies, accounts and credentials are read") {
  Settings s = good(
      "tls: { policies: [{ match: .B.Test, level: dane-only }, { match: '*', level: verify, names: [.c.test] }] }\n"
      "auth: { mechanisms: [PLAIN, SCRAM-SHA-256], senders: [{ match: '@a.test', accounts: [ann, bob] }, { match: '*', accounts: ['*'] }] }\n"
      "credentials: { smart: { user: ann, password: secret } }\n"
      "routes: [{ match: '*', to: ['smtp://smart.test'], tls: verify, credentials: smart }]");
  REQUIRE(s.tls.policies.size() == 2);
  CHECK(s.tls.policies[0].match == ".b.test");
  CHECK(s.tls.policies[0].level == TlsLevel::dane_only);
  CHECK(s.tls.policies[1].names == Texts{".c.test"});
  CHECK(s.auth.senders.at(0).accounts == Texts{"ann", "bob"});
  CHECK(s.credentials.at("smart").password == "secret");
  CHECK(s.routes[0].tls == "verify");
  CHECK(parse_tls_level(s.routes[0].tls) == TlsLevel::verify);
}

TEST_CASE("plugin fragments are kept with their places") {
  LoadOptions with = options();
  with.known_plugins = {"dkim"};
  auto result = parse_config(
      {{"c/30-dkim.yaml", "plugin: dkim\ninstance: out\non_fault: next\ntimeout: 3s\nselector: s1\n"}}, with);
  REQUIRE_MESSAGE(result.ok(), result.error_text());
  REQUIRE(result.value().plugins.size() == 1);
  const PluginFragment& plugin = result.value().plugins[0];
  CHECK(plugin.name == "dkim");
  CHECK(plugin.order == 30);
  CHECK(plugin.instance == "out");
  CHECK(plugin.on_fault == "next");
  CHECK(plugin.timeout == Millis(3000));
  REQUIRE(plugin.settings.entries.size() == 1);
  CHECK(plugin.settings.find("selector")->value.text == "s1");
  CHECK(plugin.settings.find("selector")->place.text() == "c/30-dkim.yaml:5:1");
}

TEST_CASE("a directory: only NN-name.yaml, in name order, near misses warn") {
  Directory dir;
  dir.write("00-core.yaml", "core:\n  hostname: a.test\n  " + kListener);
  dir.write("10-more.yaml", "core:\n  loops: 3\n");
  dir.write("20-x.yaml.off", "core: [\n");
  dir.write("core.yaml", "core: [\n");
  dir.write("30-x.yml", "core: [\n");
  dir.write(".40-x.yaml", "core: [\n");
  dir.write("1-x.yaml", "core: [\n");
  auto result = load_config(dir.path + "/", options());
  REQUIRE_MESSAGE(result.ok(), result.error_text());
  CHECK(result.value().settings->loops == 3);
  CHECK(result.value().settings->origins.at("loops") == dir.path + "/10-more.yaml:2:3");
  Texts warned;
  for (const auto& warning : result.value().warnings) warned.push_back(warning.full());
  std::string tail = ": is not read: only files named NN-name.yaml are";
  CHECK(warned ==
        Texts{dir.path + "/1-x.yaml" + tail, dir.path + "/30-x.yml" + tail, dir.path + "/core.yaml" + tail});
}

TEST_CASE("an empty directory has defaults and warns; a missing one is an error") {
  Directory dir;
  auto empty = load_config(dir.path, options());
  REQUIRE(empty.ok());
  CHECK(empty.value().warnings[1].full() ==
        dir.path + ": holds no file named NN-name.yaml: every setting has its default");
  auto missing = load_config(dir.path + "/none", options());
  CHECK(missing.error_text() ==
        dir.path +
            "/none: cannot be read: No such file or directory (--conf or VEREDUS_CONF names "
            "another directory)\n");
}

TEST_CASE("files that cannot be read are errors, and a pipe does not block") {
  Directory dir;
  std::filesystem::create_directory(dir.path + "/00-dir.yaml");
  std::filesystem::create_symlink("/nonexistent", dir.path + "/10-gone.yaml");
  REQUIRE(mkfifo((dir.path + "/20-pipe.yaml").c_str(), 0600) == 0);
  dir.write("30-large.yaml", std::string(5 * 1024 * 1024, '#'));
  CHECK(load_config(dir.path, options()).error_text() ==
        dir.path + "/00-dir.yaml: cannot be read: not a regular file\n" + dir.path +
            "/10-gone.yaml: cannot be read: No such file or directory\n" + dir.path +
            "/20-pipe.yaml: cannot be read: not a regular file\n" + dir.path +
            "/30-large.yaml: is larger than 4 MiB\n");
}

TEST_CASE("the control socket is found although something else is wrong") {
  Directory dir;
  CHECK(find_control_path(dir.path) == "/run/veredus/control");
  dir.write("00-broken.yaml", "core: [\n");
  dir.write("10-core.yaml", "core:\n  nonsense: 1\n  control: /somewhere/control\n");
  CHECK(find_control_path(dir.path) == "/somewhere/control");
  CHECK(find_control_path("/nonexistent") == "/run/veredus/control");
}

TEST_CASE("settings as they are written, whatever else is wrong") {
  Directory dir;
  dir.write("00-broken.yaml", "core: [\n");
  dir.write("10-core.yaml", "core:\n  nonsense: 1\n  spool: /s\n  submission: { hide_client: true, subtract_arguments: }\n");
  dir.write("20-core.yaml", "core: { spool: /other, drop: /d }\n");
  WrittenCore core(dir.path);
  CHECK(core.text("spool") == "/s");
  CHECK(core.text("drop") == "/d");
  CHECK(core.text("submission", "hide_client") == "true");
  CHECK(core.text("submission", "subtract_arguments").empty());
  CHECK(core.text("submit").empty());
  CHECK(WrittenCore("/nonexistent").text("spool").empty());
}

TEST_CASE("the sample fragment loads without a warning and is safe") {
  auto result = load_config(VEREDUS_SAMPLE_CONF, options());
  REQUIRE_MESSAGE(result.ok(), result.error_text());
  for (const ConfigWarning& warning : result.value().warnings) FAIL(warning.full());
  const Settings& s = *result.value().settings;
  CHECK(s.user == "veredus");
  CHECK(s.relay_domains.empty());
  for (const ListenerSettings& listener : s.listeners) CHECK(listener.address.ip.is_loopback());
  for (const Network& network : s.relay_networks) CHECK(network.ip.is_loopback());
}

TEST_CASE("patterns") {
  CHECK(matches_domain("a.test", "a.test"));
  CHECK_FALSE(matches_domain("a.test", "b.a.test"));
  CHECK(matches_domain(".a.test", "b.a.test"));
  CHECK(matches_domain(".a.test", "c.b.a.test"));
  CHECK_FALSE(matches_domain(".a.test", "a.test"));
  CHECK_FALSE(matches_domain(".a.test", ".a.test"));
  CHECK_FALSE(matches_domain(".a.test", "ba.test"));
  CHECK(matches_domain("*", "anything"));
  CHECK(matches_any_domain({"x.test", ".a.test"}, "b.a.test"));
  CHECK_FALSE(matches_any_domain({}, "b.a.test"));
}

TEST_CASE("next hops print as they are written") {
  for (const char* text : {"mx", "mx:a.test", "smtp://a.test:26", "smtp://[::1]:25", "smtp://192.0.2.1:2525",
                           "lmtp://127.0.0.1:24", "lmtp:///run/lmtp"})
    CHECK(NextHop::parse(text)->text() == text);
  CHECK(NextHop::parse("smtp://A.test")->text() == "smtp://a.test:25");
  for (const char* text : {"", "MX", "mx:", "mx:.a.test", "smtp://", "smtp://a.test:", "smtp://a.test:0",
                           "smtp://a.test:70000", "smtp://a b", "smtp:///x", "lmtp://a.test", "lmtp:///",
                           "lmtp:", "http://a", "a.test", "smtp://[::1", "smtp://a:b:c"})
    CHECK_MESSAGE(!NextHop::parse(text), text);
}
