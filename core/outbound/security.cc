// From levels to demands. Nothing here is silently weaker than what was asked for: what cannot be found out is a refusal of the host.
#include "outbound/security.h"

#include <algorithm>

#include "base/text.h"
#include "net/dane_lookup.h"
#include "outbound/classify.h"

namespace veredus {

namespace {

constexpr Millis kPolicyPatience{30'000};
using Check = Security::Check;

void require(Security& out, Check check) {
  out.wanted = out.required = true;
  out.check = check;
}

void refuse(Security& out, const char* word, uint8_t detail, std::string text) {
  out.told.result = word;
  out.told.problem = text;
  out.refusal = local_reply(451, {4, 7, detail}, std::move(text));
}

std::string lines(const std::vector<std::string>& all) {
  std::string out;
  for (const std::string& one : all) out += one + "\n";
  return out;
}

void add_name(std::vector<std::string>& names, const std::string& name) {
  if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

bool is_name(const std::string& host) { return !host.empty() && host[0] != '[' && !IpAddress::parse(host); }

std::string plain_hex(std::string_view text) {
  std::string out;
  for (char c : text)
    if (c != ':' && c != ' ') out += ascii_lower(c);
  return out;
}

// The level `verify`. Without names the certificate must be for the next hop that the route names; of mail exchangers, whose names an
// unsigned answer may have made up, for the domain whose exchangers they are or a name below it.
void demand_verified(Security& out, const TlsPolicySettings& policy, const Settings& settings, const Target& target) {
  require(out, policy.fingerprints.empty() ? Check::chain : Check::fingerprints);
  for (const std::string& one : policy.fingerprints) out.fingerprints.push_back(plain_hex(one));
  out.ca = policy.ca.empty() ? settings.tls.ca : policy.ca;
  out.names = policy.names;
  if (!out.names.empty()) return;
  if (!target.mx || target.secure_mx) add_name(out.names, lowered(target.host));
  if (!target.mx) return;
  add_name(out.names, target.mx_domain);
  add_name(out.names, "." + target.mx_domain);
}

void tell_tlsa(Security& out, const DaneLookup& found, const Target& target) {
  out.told.type = "tlsa";
  out.told.domain = target.mx_domain.empty() ? found.base : target.mx_domain;
  for (const TlsaRecord& record : found.tlsa.usable) out.told.text += record.text() + "\n";
  for (const std::string& record : found.tlsa.unusable) out.told.text += record + "\n";
}

// true: DANE has decided, one way or the other.
bool apply_dane(Security& out, DaneLookup found, const Target& target, bool only) {
  using State = DaneLookup::State;
  if (found.state == State::failed) {
    out.told.type = "tlsa";
    refuse(out, "dnssec-invalid", 7, "DANE of " + target.host + " cannot be checked: " + found.problem);
    return true;
  }
  bool usable = found.state == State::records && !found.tlsa.usable.empty();
  if (only && !usable) {
    std::string why = found.state == State::records ? "none of its TLSA records can be used"
                      : found.problem.empty()       ? "it has no TLSA records"
                                                    : found.problem;
    if (found.state == State::records) tell_tlsa(out, found, target);
    refuse(out, "dane-required", 4, "DANE is required for " + target.host + ", and " + why);
    return true;
  }
  if (found.state != State::records) return false;
  tell_tlsa(out, found, target);
  out.sni = found.base;
  require(out, usable ? Check::dane : Check::none);  // RFC 7672 2.2: records that cannot be used ask for encryption all the same
  add_name(out.names, found.base);
  add_name(out.names, lowered(target.host));
  if (target.mx) add_name(out.names, target.mx_domain);
  out.tlsa = std::move(found.tlsa);
  return true;
}

// true: MTA-STS has decided.
bool apply_sts(Security& out, const PublishedPolicy* policy, const Settings& settings, const Target& target, bool only) {
  using Mode = PublishedPolicy::Mode;
  Mode mode = policy ? policy->mode : Mode::none;
  if (mode == Mode::none && only) {
    std::string why = policy && !policy->problem.empty() ? policy->problem : target.mx ? "it has none" : "there can be none, as its mail goes to a host of the configuration";
    std::string word = policy && !policy->result.empty() ? policy->result : "sts-policy-fetch-error";
    refuse(out, word.c_str(), 4, "A policy by MTA-STS is required of " + out.told.domain + ": " + why);
    return true;
  }
  if (mode == Mode::none && policy && !policy->result.empty()) {  // announced, and not to be had: reports say so (RFC 8460 4.3.2.2)
    out.told.type = "sts";
    out.told.result = policy->result;
    out.told.problem = policy->problem;
  }
  if (mode == Mode::none) return false;
  out.told.type = "sts";
  out.told.text = policy->text;
  out.told.mx_patterns = lines(policy->mx);
  out.testing = out.told.testing = mode == Mode::testing && !only;
  require(out, Check::chain);
  out.required = !out.testing;
  out.ca = settings.tls.ca;
  out.names = {lowered(target.host)};
  std::string host = lowered(target.host);
  bool listed = std::any_of(policy->mx.begin(), policy->mx.end(), [&](const std::string& pattern) {
    if (!pattern.starts_with("*.")) return iequals(pattern, host);
    size_t dot = host.find('.');
    return dot != std::string::npos && dot > 0 && iequals(host.substr(dot), std::string_view(pattern).substr(1));
  });
  if (listed) return true;
  std::string text = target.host + " is not among the mail exchangers that the MTA-STS policy of " + target.mx_domain + " allows";
  out.told.result = "validation-failure";
  out.told.problem = text;
  if (!out.testing) refuse(out, "validation-failure", 5, std::move(text));
  return true;
}

Task<bool> find_dane_policy(OutboundContext& context, Security& out, Target target, bool only) {
  bool named = is_name(target.host);
  bool possible = named && !(target.mx && !target.secure_mx);
  DaneLookup found;
  found.state = DaneLookup::State::insecure;
  found.problem = named && target.mx ? "the MX records of " + target.mx_domain + " are not signed" : "there is no name to look up";
  if (possible) found = co_await find_dane(context.resolver, target.host, target.to.port, Deadline::in(context.loop, kPolicyPatience));
  co_return apply_dane(out, std::move(found), target, only);
}

Task<bool> find_sts_policy(OutboundContext& context, Security& out, SettingsPtr settings, Target target, bool only) {
  std::shared_ptr<const PublishedPolicy> policy;
  bool possible = target.mx && !target.mx_domain.empty() && context.tls_policies && context.tls_policies->any();
  if (possible) {
    auto answer = co_await context.tls_policies->find(context.loop, target.mx_domain, Deadline::in(context.loop, kPolicyPatience));
    if (!answer) {
      refuse(out, "sts-policy-fetch-error", 5, "The MTA-STS policy of " + target.mx_domain + " cannot be told now: " + answer.error().text);
      co_return true;
    }
    policy = std::move(*answer);
  }
  co_return apply_sts(out, policy.get(), *settings, target, only);
}

}  // namespace

Task<Security> find_security(OutboundContext& context, SettingsPtr settings, std::shared_ptr<const Destination> destination, Target target) {
  Security out;
  out.revoked = settings->tls.revoked;
  TlsPolicySettings policy = destination->tls ? *destination->tls : TlsPolicySettings();
  if (!destination->tls) policy.level = settings->tls.outbound;
  if (is_name(target.host)) out.sni = target.host;  // RFC 6066 3: no addresses
  out.told.host = target.host;
  out.told.remote = target.to.ip;
  out.told.level = tls_level_text(policy.level);
  out.told.type = "no-policy-found";
  out.told.domain = target.mx ? target.mx_domain : destination->domain.empty() ? target.host : destination->domain;
  if (!target.unix_path.empty()) co_return out;  // never leaves this host
  bool decided = false;
  switch (policy.level) {
    case TlsLevel::none: co_return out;
    case TlsLevel::encrypt: require(out, Check::none); co_return out;
    case TlsLevel::verify: demand_verified(out, policy, *settings, target); co_return out;
    case TlsLevel::dane_only: decided = co_await find_dane_policy(context, out, target, true); co_return out;
    case TlsLevel::mta_sts: decided = co_await find_sts_policy(context, out, settings, target, true); co_return out;
    case TlsLevel::dane: decided = co_await find_dane_policy(context, out, target, false); break;
    case TlsLevel::opportunistic:
      if (target.lmtp || !destination->published) break;
      decided = co_await find_dane_policy(context, out, target, false);
      if (!decided) decided = co_await find_sts_policy(context, out, settings, target, false);
      break;
  }
  if (!decided) out.wanted = !target.lmtp;
  co_return out;
}

PeerVerdict judge_peer(const Security& security, const TrustAnchors* anchors, std::span<const std::string> chain, WallTime now) {
  PeerVerdict out;
  if (security.check == Check::none) return out;
  if (!chain.empty() && is_fingerprint_of(security.revoked, certificate_fingerprint(chain[0])))
    return {"certificate-not-trusted", "its certificate is revoked here (tls.revoked)"};
  if (security.check == Check::fingerprints) {
    std::string own = chain.empty() ? std::string() : certificate_fingerprint(chain[0]);
    if (std::find(security.fingerprints.begin(), security.fingerprints.end(), own) != security.fingerprints.end()) return out;
    return {"certificate-not-trusted", own.empty() ? "the server sent no certificate" : "its certificate has the fingerprint " + own + ", which the policy does not name"};
  }
  if (security.check == Check::dane) {
    DaneVerdict verdict = match_dane(security.tlsa, chain, security.names, now);
    if (verdict.matched) return out;
    return {verdict.expired ? "certificate-expired" : verdict.host_mismatch ? "certificate-host-mismatch" : "validation-failure", verdict.text};
  }
  if (!anchors) return {"validation-failure", "the trust anchors in " + security.ca + " cannot be read"};
  CertificateVerdict verdict = verify_chain(chain, *anchors, security.names, now);
  if (verdict.fault == CertificateFault::none) return out;
  return {std::string(certificate_fault_word(verdict.fault)), verdict.text};
}

}  // namespace veredus
