// Configurations that are wrong: every class of error with its exact text, line and column.
#include <doctest/doctest.h>

#include "config/load.h"
#include "config/test_support.h"

using namespace veredus;
using namespace veredus::test;

namespace {

// One error at the place given, in conf.d/00-core.yaml.
std::string at(const std::string& place, const std::string& text) {
  return "conf.d/00-core.yaml:" + place + ": " + text + "\n";
}

}  // namespace

TEST_CASE("unknown settings, with suggestions") {
  CHECK(errors("hostnam: a.test") == at("2:3", "unknown setting 'hostnam' (did you mean 'hostname'?)"));
  CHECK(errors("queue:\n  retri: [5m]") == at("3:5", "unknown setting 'retri' (did you mean 'retry'?)"));
  CHECK(errors("queue: { expires: 5d }") == at("2:12", "unknown setting 'expires' (did you mean 'expire'?)"));
  CHECK(errors("zzzzzz: 1") == at("2:3", "unknown setting 'zzzzzz'"));
  CHECK(errors("retry: [5m]") == at("2:3", "unknown setting 'retry' (did you mean 'queue.retry'?)"));
  CHECK(errors("listeners: [{ adress: 1, address: \"127.0.0.1:25\" }]") ==
        at("2:17", "unknown setting 'adress' (did you mean 'address'?)"));
  CHECK(errors("limits: { recipient: 5 }") ==
        at("2:13", "unknown setting 'recipient' (did you mean 'recipients'?)"));
}

TEST_CASE("keys outside core:") {
  CHECK(parse("cor:\n  x: 1\n").error_text() ==
        at("1:1", "unknown key 'cor'; a file holds 'core:' or begins with 'plugin:' (did you mean 'core'?)"));
  CHECK(parse("hostname: a.test\n").error_text() == at("1:1", "setting 'hostname' belongs under 'core:'"));
  CHECK(parse("queue:\n  expire: 5d\n").error_text() == at("1:1", "setting 'queue' belongs under 'core:'"));
  CHECK(parse("core:\nplugin: x\n").error_text() == at("2:1", "'plugin' must be the first key of its file"));
  CHECK(parse("- a\n").error_text() ==
        at("1:1", "expected a mapping that holds 'core:' or begins with 'plugin:'"));
  CHECK(parse("core: 5\n").error_text() == at("1:7", "core: expected a mapping of settings"));
  CHECK(errors("queue: 5") == at("2:10", "queue: expected a mapping of settings"));
}

TEST_CASE("wrong shapes") {
  CHECK(errors("hostname: [a.test]") == at("2:13", "hostname: expected a single value, found a list"));
  CHECK(errors("hostname: { a: b }") == at("2:13", "hostname: expected a single value, found a mapping"));
  CHECK(errors("relay_domains: a.test") ==
        at("2:18", "relay_domains: expected a list, found a single value (write [a.test])"));
  CHECK(errors("listeners: 5") == at("2:14", "listeners: expected a list, found a single value"));
  CHECK(errors("listeners: [5]") == at("2:15", "listeners: expected a mapping, found a single value"));
  CHECK(errors("hosts: [a]") == at("2:10", "hosts: expected a mapping, found a list"));
  CHECK(errors("hosts: { a.test: 127.0.0.1 }") ==
        at("2:20", "hosts.a.test: expected a list, found a single value (write [127.0.0.1])"));
  CHECK(errors("routes: [{ match: a.test, to: mx }]") ==
        at("2:33", "routes[].to: expected a list, found a single value (write [mx])"));
  CHECK(errors("routes: [{ match: a.test, to: \"smtp://a.test:26\" }]") ==
        at("2:33", "routes[].to: expected a list, found a single value (write [\"smtp://a.test:26\"])"));
}

TEST_CASE("missing values") {
  CHECK(errors("hostname:\nloops: 2") == at("2:3", "hostname: has no value; expected a domain name"));
  CHECK(errors("queue:\n  retry: ~") ==
        at("3:5", "queue.retry: has no value; expected a list of durations, 100ms to 30d"));
  CHECK(errors("listeners: [{ role: mx }]") == at("2:15", "listeners: 'address' is missing"));
  CHECK(errors("routes: [{ match: a.test }]") == at("2:12", "routes: 'to' is missing"));
  CHECK(errors("queue: { retry: [] }") ==
        at("2:19", "queue.retry: the list is empty; expected a list of durations, 100ms to 30d"));
  CHECK(errors("routes: [{ match: a.test, to: [] }]") ==
        at("2:33",
           "routes[].to: the list is empty; expected a list of next hops, of which an entry may be a list "
           "itself"));
}

TEST_CASE("durations") {
  CHECK(errors("queue: { expire: 5 days }") ==
        at("2:20", "queue.expire: '5 days' is not a duration (write it like 30s, 5m, 4h or 5d)"));
  CHECK(errors("queue: { expire: 5 }") ==
        at("2:20", "queue.expire: '5' is not a duration (write it like 30s, 5m, 4h or 5d)"));
  CHECK(errors("queue: { retry: [5m, -1s] }") ==
        at("2:24", "queue.retry: '-1s' is not a duration (write it like 30s, 5m, 4h or 5d)"));
  CHECK(errors("queue: { retry: [0s] }") == at("2:20", "queue.retry: '0s' is out of range (100ms to 30d)"));
  CHECK(errors("queue: { expire: 99999999999999999999d }") ==
        at("2:20",
           "queue.expire: '99999999999999999999d' is not a duration (write it like 30s, 5m, 4h or 5d)"));
}

TEST_CASE("sizes and numbers") {
  CHECK(errors("limits: { message_size: 10 MB }") ==
        at("2:27", "limits.message_size: '10 MB' is not a size (write it like 512KiB, 25MiB or 1048576)"));
  CHECK(errors("limits: { message_size: 5 }") ==
        at("2:27", "limits.message_size: '5' is out of range (1KiB to 64GiB)"));
  CHECK(errors("limits: { recipients: 0 }") ==
        at("2:25", "limits.recipients: '0' is out of range (1 to 1000000)"));
  CHECK(errors("limits: { recipients: many }") ==
        at("2:25", "limits.recipients: 'many' is not a number (write it like 20)"));
  CHECK(errors("recipients: -3") == at("2:15", "limits.recipients: '-3' is not a number (write it like 20)"));
  CHECK(errors("loops: 65") == at("2:10", "loops: '65' is out of range (0 to 64)"));
  CHECK(errors("loops: 4294967296") == at("2:10", "loops: '4294967296' is out of range (0 to 64)"));
  CHECK(errors("outbound: { port: 65536 }") ==
        at("2:21", "outbound.port: '65536' is out of range (1 to 65535)"));
  CHECK(errors("queue: { jitter: 51 }") == at("2:20", "queue.jitter: '51' is out of range (0 to 50)"));
}

TEST_CASE("booleans and choices") {
  CHECK(errors("ptr_lookup: maybe") ==
        at("2:15", "ptr_lookup: 'maybe' is not a boolean (write true or false)"));
  CHECK(errors("listeners: [{ address: \"127.0.0.1:25\", role: relai }]") ==
        at("2:48",
           "listeners[].role: 'relai' is not one of mx, submission, relay, lmtp (did you mean 'relay'?)"));
  CHECK(errors("bare_newlines: allow") ==
        at("2:18", "bare_newlines: 'allow' is not one of reject, normalise"));
  CHECK(errors("log_level: loud") ==
        at("2:14", "log_level: 'loud' is not one of debug, info, notice, warning, error"));
  CHECK(errors("outbound_limits: { x: { per: [providr], connections: 1 } }") ==
        at("2:33",
           "outbound_limits.x.per: 'providr' is not one of source, pool, provider, mx_address, domain, "
           "tenant, account, "
           "destination (did you mean 'provider'?)"));
  CHECK(errors("outbound_limits: { x: { match: { color: red }, connections: 1 } }") ==
        at("2:36",
           "outbound_limits.x.match: 'color' is not one of source, pool, provider, mx_address, domain, "
           "tenant, account, "
           "destination"));
}

TEST_CASE("addresses, networks, names, paths") {
  CHECK(errors("resolvers: [dns.test]") ==
        at("2:15",
           "resolvers: 'dns.test' is not an address with port (write it like 127.0.0.1:25 or [::1]:25)"));
  CHECK(errors("listeners: [{ address: 127.0.0.1 }]") ==
        at("2:26", "listeners[].address: '127.0.0.1' has no port (write it like 127.0.0.1:25)"));
  CHECK(errors("listeners: [{ address: \"127.0.0.1:99999\" }]") ==
        at("2:26",
           "listeners[].address: '127.0.0.1:99999' is not an address with port (write it like 127.0.0.1:25 "
           "or [::1]:25)"));
  CHECK(errors("relay_networks: [10.0.0.0/33]") == at("2:20",
                                                      "relay_networks: '10.0.0.0/33' is not a network (write "
                                                      "it like 192.0.2.0/24, 2001:db8::/32 or loopback)"));
  CHECK(errors("relay_networks: [10.0.0.1/8]") ==
        at("2:20", "relay_networks: '10.0.0.1/8' is not a network: bits after the first 8 are set"));
  CHECK(
      errors("hosts: { a.test: [localhost] }") ==
      at("2:21", "hosts.a.test: 'localhost' is not an IP address (write it like 192.0.2.1 or 2001:db8::1)"));
  CHECK(errors("hosts: { \"a b\": [127.0.0.1] }") ==
        at("2:12", "hosts: 'a b' is not a domain name (write it like mx.example.test)"));
  CHECK(errors("hostname: a..b") ==
        at("2:13", "hostname: 'a..b' is not a domain name (write it like mx.example.test)"));
  CHECK(errors("relay_domains: [\"*.a.test\"]") ==
        at("2:19", "relay_domains: '*.a.test' is not a domain pattern (write it like a.test, .a.test or *)"));
  CHECK(errors("spool: spool") ==
        at("2:10", "spool: 'spool' is not an absolute path (write it like /var/spool/veredus)"));
  CHECK(errors("postmaster: bob") ==
        at("2:15", "postmaster: 'bob' is not a mail address (write it like postmaster@example.test)"));
  CHECK(errors("postmaster: \"a b@c.test\"") ==
        at("2:15", "postmaster: 'a b@c.test' is not a mail address (write it like postmaster@example.test)"));
  CHECK(errors("control_mode: rw") ==
        at("2:17", "control_mode: 'rw' is not permissions in octal (write it like 0660)"));
  CHECK(errors("user: \"a b\"") == at("2:9", "user: 'a b' is not a name (write it like bulk-1)"));
  CHECK(errors("sources: { \"a/b\": {} }") ==
        at("2:14", "sources: 'a/b' is not a name (letters, digits, '-', '_' and '.')"));
}

TEST_CASE("next hops") {
  std::string example =
      " (write it like mx, mx:example.test, smtp://host:25, lmtp://host:24, lmtp:///path, plugin:NAME or "
      "plugin:NAME/ARGUMENT)";
  CHECK(errors("routes: [{ match: a.test, to: [smpt://x] }]") ==
        at("2:34", "routes[].to: 'smpt://x' is not a next hop" + example));
  CHECK(errors("routes: [{ match: a.test, to: [[mx, host]] }]") ==
        at("2:39", "routes[].to: 'host' is not a next hop" + example));
  CHECK(errors("outbound: { fallback: [\"lmtp://a.test\"] }") ==
        at("2:26", "outbound.fallback: 'lmtp://a.test' is not a next hop" + example));
  CHECK(errors("routes: [{ match: a.test, to: [[[mx]]] }]") ==
        at("2:35", "routes[].to: expected a single value, found a list"));
}

TEST_CASE("twice in one mapping, twice in core:, under two names") {
  CHECK(errors("loops: 1\nloops: 2") ==
        at("3:3", "'loops' is given twice; the first is at conf.d/00-core.yaml:2:3"));
  CHECK(errors("limits: { errors: 5 }\nerrors: 6") ==
        at("3:3", "setting 'limits.errors' is given twice; the first is at conf.d/00-core.yaml:2:13"));
  auto split = parse_config({{"c/00-a.yaml", "core:\n  loops: 1\n  queue: { expire: 1d }\n"},
                             {"c/10-b.yaml", "core:\n  loops: 1\n  queue:\n    expire: 1d\n"}},
                            options());
  CHECK(split.error_text() ==
        "c/10-b.yaml:2:3: setting 'loops' is given twice; the first is at c/00-a.yaml:2:3\n"
        "c/10-b.yaml:4:5: setting 'queue.expire' is given twice; the first is at c/00-a.yaml:3:12\n");
  auto table = parse_config({{"c/00-a.yaml", "core:\n  hosts: { a.test: [127.0.0.1] }\n"},
                             {"c/10-b.yaml", "core:\n  hosts: { A.test: [127.0.0.1] }\n"}},
                            options());
  CHECK(table.error_text() ==
        "c/10-b.yaml:2:12: setting 'hosts.a.test' is given twice; the first is at c/00-a.yaml:2:12\n");
}

TEST_CASE("all errors at once, in order") {
  auto result = parse_config({{"c/00-a.yaml", "core:\n  loops: x\n  hostnam: y\n"},
                              {"c/10-b.yaml", "core:\n  spool: z\n"},
                              {"c/20-p.yaml", "plugin: dkim\n"}},
                             options());
  CHECK(result.error_text() ==
        "c/00-a.yaml:2:10: loops: 'x' is not a number (write it like 20)\n"
        "c/00-a.yaml:3:3: unknown setting 'hostnam' (did you mean 'hostname'?)\n"
        "c/10-b.yaml:2:10: spool: 'z' is not an absolute path (write it like /var/spool/veredus)\n"
        "c/20-p.yaml:1:9: unknown plugin 'dkim'\n");
}

TEST_CASE("an open relay is refused unless it is asked for by name") {
  std::string means = " makes this host an open relay: clients anywhere could send to anywhere";
  std::string unless = " (allow_open_relay: true accepts that)";
  CHECK(errors("relay_networks: [loopback, 0.0.0.0/0]") ==
        at("2:30", "relay_networks: '0.0.0.0/0'" + means + unless));
  CHECK(errors("relay_networks: [\"::/0\"]") == at("2:20", "relay_networks: '::/0'" + means + unless));
  CHECK(errors("relay_networks: [128.0.0.0/1, 0.0.0.0/1]") ==
        at("2:20", "relay_networks: '128.0.0.0/1'" + means + unless) +
            at("2:33", "relay_networks: '0.0.0.0/1'" + means + unless));
  CHECK(errors("relay_networks: [\"2000::/3\"]") ==
        at("2:20", "relay_networks: '2000::/3'" + means + unless));
  CHECK(errors("xclient_networks: [0.0.0.0/0]") ==
        at("2:22",
           "xclient_networks: '0.0.0.0/0' makes this host an open relay: clients anywhere could claim a "
           "trusted address" +
               unless));
  CHECK(errors("proxy_networks: [\"::/0\"]").find("proxy_networks: '::/0' makes this host an open relay") !=
        std::string::npos);
  CHECK(warnings(kListener + "relay_networks: [0.0.0.0/0]\nallow_open_relay: true") ==
        at("3:20", "relay_networks: '0.0.0.0/0'" + means));
}

TEST_CASE("private networks may relay whole") {
  CHECK(warnings(
            kListener +
            "relay_networks: [10.0.0.0/8, \"fc00::/7\", \"fe80::/10\", 192.168.0.0/16, \"2001:db8::/32\"]") ==
        "");
}

TEST_CASE("relay_domains * is refused where anyone may connect") {
  CHECK(errors(kListener + "relay_domains: [\"*\"]") ==
        at("3:19",
           "relay_domains: '*' makes this host an open relay: with a listener of role mx or lmtp, anyone "
           "could send to "
           "anywhere (allow_open_relay: true accepts that)"));
  CHECK(errors("listeners: [{ address: \"127.0.0.1:25\", role: relay }]\nrelay_domains: [\"*\"]") == "");
  CHECK(errors("listeners: [{ address: \"127.0.0.1:25\", role: lmtp }]\nrelay_domains: [\"*\"]") != "");
  CHECK(errors(kListener + "relay_domains: [\"*\"]\nallow_open_relay: true") == "");
}

TEST_CASE("listeners that clash") {
  CHECK(
      errors(
          "listeners:\n  - { address: \"127.0.0.1:25\" }\n  - { address: \"127.0.0.1:25\", role: relay }") ==
      at("4:18",
         "listeners[].address: '127.0.0.1:25' is taken by the listener '127.0.0.1:25' at "
         "conf.d/00-core.yaml:3:18"));
  CHECK(errors("listeners: [{ address: \"0.0.0.0:25\" }, { address: \"127.0.0.1:25\" }]") ==
        at("2:53",
           "listeners[].address: '127.0.0.1:25' is taken by the listener '0.0.0.0:25' at "
           "conf.d/00-core.yaml:2:26"));
  CHECK(errors("listeners: [{ address: \"0.0.0.0:25\" }, { address: \"[::]:25\" }, { address: "
               "\"127.0.0.1:26\" }]") == "");
}

TEST_CASE("a place is right after an entry that could not be read") {
  CHECK(errors("listeners: [{ address: x }, { address: \"127.0.0.1:25\" }, { address: \"127.0.0.1:25\" }]") ==
        at("2:26",
           "listeners[].address: 'x' is not an address with port (write it like 127.0.0.1:25 or [::1]:25)") +
            at("2:71",
               "listeners[].address: '127.0.0.1:25' is taken by the listener '127.0.0.1:25' at "
               "conf.d/00-core.yaml:2:42"));
}

TEST_CASE("names that do not exist") {
  CHECK(errors("sources: { out1: { ipv4: 192.0.2.1 } }\npools: { bulk: [out1, out2] }") ==
        at("3:25", "pools.bulk: there is no source 'out2' (did you mean 'out1'?)"));
  CHECK(errors("routes: [{ match: a.test, to: [mx], pool: bulk }]") ==
        at("2:45", "routes[].pool: there is no pool 'bulk'"));
  CHECK(
      errors("outbound_limits: { x: { match: { provider: gogle }, connections: 1 } }\nproviders: { google: "
             "{} }") ==
      at("2:46", "outbound_limits.x.match.provider: there is no provider 'gogle' (did you mean 'google'?)"));
  CHECK(errors("sources: { a: { ipv4: \"::1\", ipv6: 127.0.0.1 } }") ==
        at("2:25", "sources.a.ipv4: '::1' is not an IPv4 address") +
            at("2:38", "sources.a.ipv6: '127.0.0.1' is not an IPv6 address"));
}

TEST_CASE("implicit TLS needs a certificate, a certificate of our own its key") {
  CHECK(errors("listeners: [{ address: \"127.0.0.1:465\", role: submission, tls: implicit }]") ==
        at("2:66", "listeners[].tls: implicit TLS needs a certificate (set tls.certificates)"));
  CHECK(errors("tls: { outbound_cert: /a.pem }") == at("2:25", "tls.outbound_cert: tls.outbound_cert and tls.outbound_key go together"));
}

TEST_CASE("credentials say in one way what proves them, and routes name them rightly") {
  CHECK(errors("credentials: { a: { user: u } }") ==
        at("2:18", "credentials.a: exactly one of password, password_file, table, token_file and token_url is needed"));
  CHECK(errors("routes: [{ match: '*', to: [mx], credentials: nobody }]") ==
        at("2:49", "routes[].credentials: there is no entry 'nobody' in credentials"));
}

TEST_CASE("warnings") {
  CHECK(warnings("") == "listeners: there are none, so nothing can be received by SMTP\n");
  CHECK(warnings(kListener + "routes: [{ match: \"*\", to: [mx] }, { match: a.test, to: [mx] }]") ==
        at("3:47", "routes[].match: 'a.test' is never reached: an earlier route matches it"));
  CHECK(warnings("listeners: [{ address: \"127.0.0.1:25\", proxy: true }]") ==
        at("2:49", "listeners[].proxy: nobody can connect while proxy_networks is empty"));
  CHECK(warnings(kListener + "queue: { expire: 1h, delay_warning: 2h }") ==
        at("3:39", "queue.delay_warning: never sent, as queue.expire comes first"));
  CHECK(warnings(kListener + "outbound_limits: { x: { per: [domain] } }") ==
        at("3:22", "outbound_limits.x: limits nothing (set connections, messages_per_connection or rate)"));
  CHECK(parse("# nothing\n").value().warnings[1].full() == "conf.d/00-core.yaml: holds no settings");
}

TEST_CASE("plugin fragments") {
  LoadOptions with = options();
  with.known_plugins = {"dkim"};
  auto of = [&](const std::string& text) { return parse_config({{"c/30-x.yaml", text}}, with).error_text(); };
  CHECK(of("plugin: dkin\n") == "c/30-x.yaml:1:9: unknown plugin 'dkin' (did you mean 'dkim'?)\n");
  CHECK(of("plugin: [a]\n") == "c/30-x.yaml:1:9: plugin: expected a single value, found a list\n");
  CHECK(of("plugin: dkim\non_fault: explode\n") ==
        "c/30-x.yaml:2:11: on_fault: 'explode' is not one of tempfail, next, reject\n");
  CHECK(of("plugin: dkim\ntimeout: 1y\n") ==
        "c/30-x.yaml:2:10: timeout: '1y' is not a duration (write it like 30s, 5m, 4h or 5d)\n");
  auto twice = parse_config({{"c/30-x.yaml", "plugin: dkim\n"}, {"c/31-x.yaml", "plugin: dkim\n"}}, with);
  CHECK(twice.error_text() ==
        "c/31-x.yaml:1:9: plugin 'dkim' is enabled twice; the first is at c/30-x.yaml:1:9 (give each an "
        "'instance')\n");
}
