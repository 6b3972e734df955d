// The rules of contract.md, role by role. Hooks cannot widen them.
#include "inbound/relay_policy.h"

#include "base/text.h"

namespace veredus {

namespace {

bool is_postmaster(const Settings& settings, const IpAddress& local, const Address& recipient) {
  if (!iequals(recipient.local(), "postmaster")) return false;
  std::string_view domain = recipient.domain();
  if (domain.empty() || iequals(domain, settings.hostname)) return true;
  auto literal = IpAddress::parse_literal(domain);
  return literal && *literal == local;
}

bool relays_for_domain(const Settings& settings, const Address& recipient) {
  std::string domain = lowered(recipient.domain());
  return matches_any_domain(settings.relay_domains, domain) || is_local_domain(settings, domain);
}

}  // namespace

RelayDecision decide_relay(const Settings& settings, Role role, ClientRights rights, const IpAddress& local,
                           const Address& recipient) {
  if (role == Role::submission && !rights.authenticated) return RelayDecision::deny;
  if (is_postmaster(settings, local, recipient)) return RelayDecision::to_postmaster;
  if (rights.authenticated) return RelayDecision::accept;
  if (rights.relay_network && role != Role::submission) return RelayDecision::accept;
  bool by_domain = role == Role::mx || role == Role::lmtp;
  return by_domain && relays_for_domain(settings, recipient) ? RelayDecision::accept : RelayDecision::deny;
}

Reply relay_denied() {
  return {550, {5, 7, 1}, {"Relaying denied"}};
}

}  // namespace veredus
