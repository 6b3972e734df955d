// Defaults that follow from other settings or from the system.
#include "config/resolve.h"

#include "base/text.h"
#include "config/scalars.h"
#include "config/schema.h"

namespace veredus {

namespace {

bool written(const Draft& draft, const char* name) {
  return draft.settings.origins.contains(name);
}

void resolve_hostname(Draft& draft, const SystemNames& system, Problems& problems) {
  std::string& hostname = draft.settings.hostname;
  if (!written(draft, "hostname")) hostname = lowered(system.hostname);
  bool usable = is_domain(hostname);
  if (!usable) hostname = "localhost";
  if (hostname.find('.') != std::string::npos) return;
  problems.warning(draft.place("hostname"),
                   "hostname: " + in_quotes(hostname) +
                       " is not fully qualified; other hosts may refuse mail from it (set hostname)");
}

std::vector<Network> loopback() {
  return {*Network::parse("127.0.0.0/8"), *Network::parse("::1")};
}

void resolve_networks(Draft& draft) {
  Settings& s = draft.settings;
  if (!written(draft, "exempt_networks")) {
    s.exempt_networks = loopback();
    for (const Network& network : s.relay_networks)
      if (std::find(s.exempt_networks.begin(), s.exempt_networks.end(), network) == s.exempt_networks.end())
        s.exempt_networks.push_back(network);
  }
  if (!written(draft, "normalise_networks")) s.normalise_networks = s.relay_networks;
}

// The first relay domain that is a name and not a pattern.
std::string postmaster_domain(const Settings& s) {
  for (const std::string& pattern : s.relay_domains)
    if (is_domain(pattern)) return pattern;
  return s.hostname;
}

void resolve_names(Draft& draft, const SystemNames& system) {
  Settings& s = draft.settings;
  if (!written(draft, "postmaster")) s.postmaster = "postmaster@" + postmaster_domain(s);
  std::string mailname = lowered(trimmed(system.mailname));
  if (!written(draft, "origin")) s.origin = is_domain(mailname) ? mailname : s.hostname;
  if (written(draft, "local_domains")) return;
  s.local_domains = {s.hostname};
  for (const std::string& name : {mailname, std::string("localhost")})
    if (is_domain(name) && !matches_any_domain(s.local_domains, name)) s.local_domains.push_back(name);
}

void resolve_paths(Draft& draft) {
  Settings& s = draft.settings;
  if (!written(draft, "kv.path")) s.kv.path = s.state + "/kv.db";
  if (!written(draft, "submit")) s.submit = s.control.substr(0, s.control.rfind('/')) + "/submit";
  if (!written(draft, "drop")) s.drop = s.spool.path + "/drop";
}

void resolve_routes(Draft& draft) {
  RouteSettings last;
  last.match = "*";
  last.to = {{NextHop{}}};
  draft.settings.routes.push_back(std::move(last));
}

}  // namespace

Place Draft::place(const std::string& path) const {
  for (std::string part = path; !part.empty();) {
    auto found = places.find(part);
    if (found != places.end()) return found->second;
    size_t end = part.find_last_of(".[");
    part.resize(end == std::string::npos ? 0 : end);
  }
  return {};
}

void resolve_defaults(Draft& draft, const SystemNames& system, Problems& problems) {
  resolve_hostname(draft, system, problems);
  resolve_networks(draft);
  resolve_names(draft, system);
  resolve_paths(draft);
  resolve_routes(draft);
}

Settings default_settings() {
  Draft draft;
  for (const Setting& setting : core_settings()) store_default(setting, &draft.settings);
  Problems problems;
  resolve_defaults(draft, {"localhost", ""}, problems);
  return std::move(draft.settings);
}

}  // namespace veredus
