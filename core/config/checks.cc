// Rules across settings: listeners that clash, names that do not exist, routes never reached, and above all
// open relays.
#include <algorithm>
#include <set>

#include "config/resolve.h"
#include "config/scalars.h"
#include "config/schema.h"

namespace veredus {

namespace {

std::string at_index(const char* name, size_t index) {
  return std::string(name) + "[" + std::to_string(index) + "]";
}

template <typename Map>
std::vector<std::string> keys_of(const Map& map) {
  std::vector<std::string> out;
  for (const auto& [key, value] : map) out.push_back(key);
  return out;
}

bool is_any_address(const IpAddress& ip) {
  return std::all_of(ip.octets.begin(), ip.octets.end(), [](uint8_t octet) { return octet == 0; });
}

bool clash(const Endpoint& a, const Endpoint& b) {
  if (a.port != b.port || a.ip.family != b.ip.family) return false;
  return a.ip == b.ip || is_any_address(a.ip) || is_any_address(b.ip);
}

void check_listeners(const Draft& draft, Problems& problems) {
  const auto& listeners = draft.settings.listeners;
  for (size_t i = 0; i < listeners.size(); ++i)
    for (size_t k = 0; k < i; ++k) {
      if (!clash(listeners[i].address, listeners[k].address)) continue;
      problems.error(draft.place(at_index("listeners", i) + ".address"),
                     "listeners[].address: " + in_quotes(listeners[i].address.text()) +
                         " is taken by the listener " + in_quotes(listeners[k].address.text()) + " at " +
                         draft.place(at_index("listeners", k) + ".address").text());
      break;
    }
  if (listeners.empty())
    problems.warning(draft.place("listeners"),
                     "listeners: there are none, so nothing can be received by SMTP");
}

void check_proxies(const Draft& draft, Problems& problems) {
  if (!draft.settings.proxy_networks.empty()) return;
  for (size_t i = 0; i < draft.settings.listeners.size(); ++i)
    if (draft.settings.listeners[i].proxy)
      problems.warning(draft.place(at_index("listeners", i) + ".proxy"),
                       "listeners[].proxy: nobody can connect while proxy_networks is empty");
}

// Wider than any network that belongs to one operator. Unique local and link-local IPv6 are never routed, so
// they may be whole.
bool is_too_wide(const Network& network) {
  if (network.ip.family == 4) return network.prefix < 8;
  bool local = network.ip.octets[0] == 0xFC || network.ip.octets[0] == 0xFD || network.ip.octets[0] == 0xFE;
  return network.prefix < (local ? 7 : 16);
}

void report_open(const Draft& draft, const Place& place, const std::string& text, Problems& problems) {
  if (draft.settings.allow_open_relay)
    problems.warning(place, text);
  else
    problems.error(place, text + " (allow_open_relay: true accepts that)");
}

void check_wide(const Draft& draft, const char* name, const std::vector<Network>& networks, const char* means,
                Problems& problems) {
  for (size_t i = 0; i < networks.size(); ++i)
    if (is_too_wide(networks[i]))
      report_open(draft, draft.place(at_index(name, i)),
                  std::string(name) + ": " + in_quotes(networks[i].text()) +
                      " makes this host an open relay: " + means,
                  problems);
}

bool serves_anyone(const Settings& s) {
  return std::any_of(s.listeners.begin(), s.listeners.end(), [](const ListenerSettings& listener) {
    return listener.role == Role::mx || listener.role == Role::lmtp;
  });
}

void check_relay(const Draft& draft, Problems& problems) {
  const Settings& s = draft.settings;
  check_wide(draft, "relay_networks", s.relay_networks, "clients anywhere could send to anywhere", problems);
  check_wide(draft, "xclient_networks", s.xclient_networks, "clients anywhere could claim a trusted address",
             problems);
  check_wide(draft, "proxy_networks", s.proxy_networks, "clients anywhere could claim a trusted address",
             problems);
  if (!serves_anyone(s)) return;
  for (size_t i = 0; i < s.relay_domains.size(); ++i)
    if (s.relay_domains[i] == "*")
      report_open(draft, draft.place(at_index("relay_domains", i)),
                  "relay_domains: '*' makes this host an open relay: with a listener of role mx or lmtp, "
                  "anyone could send to "
                  "anywhere",
                  problems);
}

void check_pool_name(const Draft& draft, const std::string& path, const std::string& shown,
                     const std::string& pool, Problems& problems) {
  const auto& pools = draft.settings.pools;
  if (pool.empty() || pools.contains(pool)) return;
  problems.error(draft.place(path),
                 shown + ": there is no pool " + in_quotes(pool) + did_you_mean(pool, keys_of(pools)));
}

void check_routes(const Draft& draft, Problems& problems) {
  const auto& routes = draft.settings.routes;
  std::set<std::string> seen;
  for (size_t i = 0; i + 1 < routes.size(); ++i) {
    check_pool_name(draft, at_index("routes", i) + ".pool", "routes[].pool", routes[i].pool, problems);
    bool reached = !seen.contains("*") && seen.insert(routes[i].match).second;
    if (!reached)
      problems.warning(
          draft.place(at_index("routes", i) + ".match"),
          "routes[].match: " + in_quotes(routes[i].match) + " is never reached: an earlier route matches it");
  }
}

// A plugin that chooses next hops has to choose them all.
void check_routers(const Draft& draft, const std::string& path, const std::string& shown, const NextHops& to, bool allowed,
                   Problems& problems) {
  for (size_t i = 0; i < to.size(); ++i)
    for (const NextHop& hop : to[i]) {
      if (hop.kind != NextHop::Kind::router) continue;
      bool alone = to.size() == 1 && to[0].size() == 1;
      if (!allowed || !alone)
        problems.error(draft.place(at_index(path.c_str(), i)),
                       shown + ": " + in_quotes(hop.text()) + (allowed ? " must be the only next hop" : " is for routes only"));
    }
}

void check_next_hops(const Draft& draft, Problems& problems) {
  const Settings& s = draft.settings;
  for (size_t i = 0; i < s.routes.size(); ++i)
    check_routers(draft, at_index("routes", i) + ".to", "routes[].to", s.routes[i].to, true, problems);
  check_routers(draft, "outbound.fallback", "outbound.fallback", s.outbound.fallback, false, problems);
}

void check_helpers(const Draft& draft, Problems& problems) {
  std::set<std::string> names;
  const auto& helpers = draft.settings.helpers;
  for (size_t i = 0; i < helpers.size(); ++i) {
    std::string path = at_index("helpers", i);
    if (!helpers[i].command.empty() && !helpers[i].command[0].starts_with('/'))
      problems.error(draft.place(path + ".command"),
                     "helpers[].command: " + in_quotes(helpers[i].command[0]) + " is not an absolute path");
    if (!names.insert(helpers[i].name).second)
      problems.error(draft.place(path + ".name"),
                     "helpers[].name: " + in_quotes(helpers[i].name) + " is taken by an earlier helper");
  }
}

void check_pools(const Draft& draft, Problems& problems) {
  const Settings& s = draft.settings;
  for (const auto& [name, pool] : s.pools)
    for (size_t i = 0; i < pool.sources.size(); ++i) {
      const std::string& source = pool.sources[i];
      if (s.sources.contains(source)) continue;
      problems.error(draft.place("pools." + name + "[" + std::to_string(i) + "]"),
                     "pools." + name + ": there is no source " + in_quotes(source) +
                         did_you_mean(source, keys_of(s.sources)));
    }
}

void check_sources(const Draft& draft, Problems& problems) {
  for (const auto& [name, source] : draft.settings.sources) {
    std::string path = "sources." + name;
    if (source.address4 && source.address4.family != 4)
      problems.error(draft.place(path + ".ipv4"),
                     path + ".ipv4: " + in_quotes(source.address4.text()) + " is not an IPv4 address");
    if (source.address6 && source.address6.family != 6)
      problems.error(draft.place(path + ".ipv6"),
                     path + ".ipv6: " + in_quotes(source.address6.text()) + " is not an IPv6 address");
  }
}

std::vector<std::string> provider_names(const Settings& s) {
  std::vector<std::string> out;
  for (const ProviderSettings& provider : s.providers) out.push_back(provider.name);
  return out;
}

void check_limit_matches(const Draft& draft, const LimitSettings& limit, Problems& problems) {
  std::string path = "outbound_limits." + limit.name + ".match.";
  for (const auto& [key, value] : limit.match) {
    if (key == "pool") check_pool_name(draft, path + key, path + key, value, problems);
    std::vector<std::string> names;
    if (key == "provider")
      names = provider_names(draft.settings);
    else if (key == "source")
      names = keys_of(draft.settings.sources);
    else
      continue;
    if (value == "*" || std::find(names.begin(), names.end(), value) != names.end()) continue;
    problems.error(draft.place(path + key),
                   path + key + ": there is no " + key + " " + in_quotes(value) + did_you_mean(value, names));
  }
}

void check_limits(const Draft& draft, Problems& problems) {
  for (const LimitSettings& limit : draft.settings.outbound_limits) {
    check_limit_matches(draft, limit, problems);
    if (limit.connections == 0 && limit.messages_per_connection == 0 && limit.rate == 0)
      problems.warning(draft.place("outbound_limits." + limit.name),
                       "outbound_limits." + limit.name +
                           ": limits nothing (set connections, messages_per_connection or rate)");
  }
}

void check_control(const Draft& draft, Problems& problems) {
  constexpr size_t kLongestSocketPath = 107;
  if (draft.settings.control.size() > kLongestSocketPath)
    problems.error(draft.place("control"), "control: a socket's path has at most 107 characters");
}

void check_times(const Draft& draft, Problems& problems) {
  const QueueSettings& queue = draft.settings.queue;
  if (queue.delay_warning >= queue.expire && draft.settings.origins.contains("queue.delay_warning"))
    problems.warning(draft.place("queue.delay_warning"),
                     "queue.delay_warning: never sent, as queue.expire comes first");
}

void check_tls(const Draft& draft, Problems& problems) {
  const Settings& settings = draft.settings;
  bool certificate = !settings.tls.certificates.empty() || !settings.tls.certificate_table.empty();
  for (size_t i = 0; i < settings.listeners.size(); ++i)
    if (settings.listeners[i].tls == ListenerTls::implicit && !certificate)
      problems.error(draft.place(at_index("listeners", i) + ".tls"),
                     "listeners[].tls: implicit TLS needs a certificate (set tls.certificates)");
  if (settings.tls.outbound_cert.empty() != settings.tls.outbound_key.empty()) {
    std::string given = settings.tls.outbound_key.empty() ? "tls.outbound_cert" : "tls.outbound_key";
    problems.error(draft.place(given), given + ": tls.outbound_cert and tls.outbound_key go together");
  }
}

void check_credentials(const Draft& draft, Problems& problems) {
  const Settings& settings = draft.settings;
  for (size_t i = 0; i < settings.routes.size(); ++i) {
    const std::string& name = settings.routes[i].credentials;
    if (!name.empty() && !settings.credentials.contains(name))
      problems.error(draft.place(at_index("routes", i) + ".credentials"), "routes[].credentials: there is no entry " + in_quotes(name) + " in credentials");
  }
  for (const auto& [name, entry] : settings.credentials) {
    int ways = !entry.password.empty() + !entry.password_file.empty() + !entry.table.empty() + !entry.token_file.empty() + !entry.token_url.empty();
    if (ways != 1)
      problems.error(draft.place("credentials." + name),
                     "credentials." + name + ": exactly one of password, password_file, table, token_file and token_url is needed");
  }
}

void check_planned(const Draft& draft, Problems& problems) {
  for (const Setting& setting : core_settings()) {
    std::string name(setting.name);
    if (setting.planned.empty() || !draft.settings.origins.contains(name)) continue;
    problems.warning(draft.place(name),
                     name + ": has no effect yet; it waits for " + std::string(setting.planned));
  }
}

}  // namespace

void check_settings(const Draft& draft, Problems& problems) {
  check_listeners(draft, problems);
  check_proxies(draft, problems);
  check_relay(draft, problems);
  check_routes(draft, problems);
  check_next_hops(draft, problems);
  check_helpers(draft, problems);
  check_pools(draft, problems);
  check_sources(draft, problems);
  check_limits(draft, problems);
  check_control(draft, problems);
  check_times(draft, problems);
  check_tls(draft, problems);
  check_credentials(draft, problems);
  check_planned(draft, problems);
}

}  // namespace veredus
