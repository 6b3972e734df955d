// Routes to destinations. Everything two destinations may differ in is part of the name, so equal names are equal destinations.
#include "outbound/route_table.h"

#include <algorithm>

namespace veredus {

namespace {

std::string_view ip_name(IpPreference ip) {
  switch (ip) {
    case IpPreference::system: return "";
    case IpPreference::ipv4: return "?ipv4";
    case IpPreference::ipv6: return "?ipv6";
    case IpPreference::ipv4_only: return "?ipv4_only";
    case IpPreference::ipv6_only: return "?ipv6_only";
  }
  return "";
}

// "verify:mx.a.test,.b.test": everything that two policies may differ in.
std::string policy_text(const TlsPolicySettings& policy) {
  std::string out(tls_level_text(policy.level));
  for (const std::string& name : policy.names) out += (out.back() == ',' ? "" : ",") + name;
  for (const std::string& print : policy.fingerprints) out += ",sha256:" + print;
  if (!policy.ca.empty()) out += ",ca:" + policy.ca;
  return out;
}

// "smtp://a:25|smtp://b:25,mx:c.test": balanced by bars, fail-over by commas.
std::string name_of(const Destination& destination) {
  std::string out = next_hops_text(destination.to);
  out += ip_name(destination.ip);
  if (!destination.pool.empty()) out += "/" + destination.pool;
  if (destination.tls) out += "?tls=" + policy_text(*destination.tls);
  if (!destination.published) out += "?unpublished";
  if (!destination.credentials.empty()) out += "?auth=" + destination.credentials;
  return out;
}

NextHop local_hop() {
  NextHop out;
  out.kind = NextHop::Kind::plugin;
  out.host = "local";
  return out;
}

}  // namespace

std::shared_ptr<const Destination> DestinationTable::intern(Destination destination) {
  auto& place = known_[destination.name];
  auto shared = place.lock();
  if (!shared) place = shared = std::make_shared<const Destination>(std::move(destination));
  if (known_.size() >= sweep_at_) {
    std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
    sweep_at_ = std::max<size_t>(1024, known_.size() * 2);
  }
  return shared;
}

// Local domains come before the first route for everything: a smart host is for mail that leaves.
Destination RouteTable::find(std::string_view domain, std::string_view pool, size_t& from) const {
  while (from < settings_->routes.size()) {
    const RouteSettings& route = settings_->routes[from++];
    if (route.match == "*" && is_local_domain(*settings_, domain)) return make({{local_hop()}}, domain, pool, IpPreference::system);
    if (matches_domain(route.match, domain)) return make(route, domain, pool.empty() ? route.pool : pool);
  }
  return make({{NextHop()}}, domain, pool, IpPreference::system);
}

Destination RouteTable::make(const RouteSettings& route, std::string_view domain, std::string_view pool) {
  Destination out = make(route.to, domain, pool, route.ip);
  if (auto level = parse_tls_level(route.tls)) secure(out, policy_of(*level));
  prove(out, route.credentials);
  return out;
}

TlsPolicySettings RouteTable::policy_of(TlsLevel level) {
  TlsPolicySettings out;
  out.level = level;
  return out;
}

void RouteTable::secure(Destination& destination, TlsPolicySettings policy, bool published) {
  destination.tls = std::move(policy);
  destination.published = published;
  destination.name = name_of(destination);
}

void RouteTable::prove(Destination& destination, std::string credentials) {
  destination.credentials = std::move(credentials);
  destination.name = name_of(destination);
}

const TlsPolicySettings* RouteTable::policy_for(std::string_view domain) const {
  for (const TlsPolicySettings& policy : settings_->tls.policies)
    if (matches_domain(policy.match, domain)) return &policy;
  return nullptr;
}

Destination RouteTable::fixed(NextHops to, std::string_view domain, std::string_view pool, IpPreference ip) {
  return make(std::move(to), domain, pool, ip);
}

Destination RouteTable::make(NextHops to, std::string_view domain, std::string_view pool, IpPreference ip) {
  Destination out;
  for (auto& balanced : to)
    for (NextHop& hop : balanced)
      if (hop.kind == NextHop::Kind::mx && hop.host.empty()) hop.host = out.domain = std::string(domain);
  out.to = std::move(to);
  out.pool = std::string(pool);
  out.ip = ip;
  using Kind = NextHop::Kind;
  const Kind first = out.to[0][0].kind;
  out.lmtp = first == Kind::lmtp || first == Kind::lmtp_unix || first == Kind::plugin;
  out.name = name_of(out);
  return out;
}

}  // namespace veredus
