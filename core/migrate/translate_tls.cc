// TLS of both sides, and accounts of clients.
#include <map>
#include <set>

#include "base/text.h"
#include "config/scalars.h"
#include "migrate/translate.h"
#include "migrate/words.h"

namespace veredus::migrate {

namespace {

const std::map<std::string_view, std::string_view> kLevels = {
    {"none", "none"}, {"may", "opportunistic"}, {"encrypt", "encrypt"}, {"dane", "dane"}, {"dane-only", "dane-only"},
    {"verify", "verify"}, {"secure", "verify"}, {"fingerprint", "verify"}};

void add_certificate(Postfix& postfix, Draft& draft, const std::string& cert, const std::string& key, const Origin& at) {
  draft.certificates.emplace_back(cert, key);
  postfix.look(at, key + " must be readable for the user veredus, or for a group that it is in");
}

void take_certificates(Postfix& postfix, Draft& draft) {
  if (auto chains = postfix.take("smtpd_tls_chain_files"); chains && !chains->value.empty()) {
    for (const std::string& file : split_words(chains->value)) add_certificate(postfix, draft, file, file, chains->at);
    for (const char* name : {"smtpd_tls_cert_file", "smtpd_tls_key_file", "smtpd_tls_eccert_file", "smtpd_tls_eckey_file"}) postfix.take(name);
    return;
  }
  for (const char* kind : {"ec", ""}) {
    auto cert = postfix.take("smtpd_tls_" + std::string(kind) + "cert_file");
    auto key = postfix.take("smtpd_tls_" + std::string(kind) + "key_file");
    if (cert && !cert->value.empty() && cert->value != "none") add_certificate(postfix, draft, cert->value, key && !key->value.empty() ? key->value : cert->value, cert->at);
  }
}

void take_own_certificate(Postfix& postfix, Draft& draft) {
  auto cert = postfix.take("smtp_tls_cert_file"), key = postfix.take("smtp_tls_key_file");
  if (!cert || cert->value.empty()) return;
  draft.tls.push_back({"outbound_cert", yaml_text(cert->value), cert->at});
  draft.tls.push_back({"outbound_key", yaml_text(key && !key->value.empty() ? key->value : cert->value), cert->at});
}

void take_server_level(Postfix& postfix) {
  auto level = postfix.take("smtpd_tls_security_level");
  postfix.take("smtpd_use_tls"), postfix.take("smtpd_enforce_tls");
  if (level && level->value == "encrypt")
    postfix.untranslated(level->at, "smtpd_tls_security_level = encrypt: nothing here refuses clients without TLS for a whole listener; a rule of the "
                                    "plugin access can: { not: { tls_version: \"*\" }, action: reject, stage: mail }");
  if (auto only = postfix.take("smtpd_tls_auth_only"); only && !is_yes(only->value))
    postfix.look(only->at, "smtpd_tls_auth_only = no: passwords without TLS are not taken here unless auth.clear_text says so");
}

void take_client_level(Postfix& postfix, Draft& draft) {
  auto set = postfix.take("smtp_tls_security_level");
  auto use = postfix.take("smtp_use_tls"), enforce = postfix.take("smtp_enforce_tls");
  if (!set && enforce && is_yes(enforce->value)) set = Parameter{enforce->name, "encrypt", enforce->at};
  if (!set || set->value.empty()) return;
  auto level = kLevels.find(set->value);
  if (level == kLevels.end() || set->value == "fingerprint")
    return postfix.untranslated(set->at, set->name + " = " + printable(set->value, 30) + ": see fingerprints of tls.policies in veredus-tls(7)");
  draft.tls.push_back({"outbound", std::string(level->second), set->at});
  if (set->value == "may") postfix.look(set->at, "smtp_tls_security_level = may: opportunistic here also obeys DANE and MTA-STS of domains that publish them; veredus-tls(7)");
}

void take_anchors(Postfix& postfix, Draft& draft) {
  if (auto file = postfix.take("smtp_tls_CAfile"); file && !file->value.empty() && file->value != "/etc/ssl/certs/ca-certificates.crt")
    draft.tls.push_back({"ca", yaml_text(file->value), file->at});
  if (auto path = postfix.take("smtp_tls_CApath"); path && !path->value.empty() && path->value != "/etc/ssl/certs")
    postfix.untranslated(path->at, "smtp_tls_CApath: trust anchors are one file here, tls.ca");
  auto client = postfix.take("smtpd_tls_CAfile");
  auto ask = postfix.take("smtpd_tls_ask_ccert"), need = postfix.take("smtpd_tls_req_ccert");
  if (ask && is_yes(ask->value)) draft.tls.push_back({"ask_client", "true", ask->at});
  if (client && !client->value.empty() && ((ask && is_yes(ask->value)) || (need && is_yes(need->value)))) draft.tls.push_back({"client_ca", yaml_text(client->value), client->at});
  if (need && is_yes(need->value)) postfix.untranslated(need->at, "smtpd_tls_req_ccert: a rule of the plugin access can demand a certificate: { not: { tls_peer: \"*\" }, action: reject }");
}

// One attribute of a policy, such as match=a:b.
bool take_attribute(PolicyDraft& policy, const std::string& level, const std::string& word) {
  size_t equals = word.find('=');
  std::string name = word.substr(0, equals), value = equals == std::string::npos ? "" : word.substr(equals + 1);
  if (name == "tafile") return policy.ca = value, true;
  if (name != "match") return false;
  if (level != "fingerprint") {
    for (std::string_view one : split(value, ':'))
      if (one == "nexthop" || one == "hostname" || one == "dot-nexthop") policy.names.push_back((one == "dot-nexthop" ? "." : "") + policy.match);
      else policy.names.emplace_back(one);
    return true;
  }
  constexpr size_t kSha256 = 32;
  for (std::string_view one : split(value, '|')) {
    std::string hex;
    for (char c : one)
      if (c != ':') hex += ascii_lower(c);
    if (hex.size() != 2 * kSha256) return false;
    policy.fingerprints.push_back(hex);
  }
  return true;
}

bool is_hop_key(const std::string& key) { return key.starts_with("[") || key.find(':') != std::string::npos; }

void apply_to_routes(Postfix& postfix, Draft& draft, const MapEntry& entry, const PolicyDraft& policy) {
  bool found = false;
  for (RouteDraft& route : draft.routes)
    if (lowered(route.key) == lowered(entry.key)) route.tls = policy.level, found = true;
  if (!found) postfix.untranslated(entry.at, "TLS policy for " + printable(entry.key, 60) + ": no route goes there");
  else if (!policy.names.empty() || !policy.fingerprints.empty())
    postfix.untranslated(entry.at, "TLS policy for " + printable(entry.key, 60) + ": names and fingerprints belong to recipient domains here, see tls.policies");
}

void take_policy(Postfix& postfix, Draft& draft, const MapEntry& entry) {
  std::vector<std::string> words = split_words(entry.value);
  auto level = words.empty() ? kLevels.end() : kLevels.find(words[0]);
  if (level == kLevels.end()) return postfix.untranslated(entry.at, "TLS policy for " + printable(entry.key, 60) + ": " + printable(entry.value, 40) + " is no level");
  PolicyDraft policy{lowered(entry.key), std::string(level->second), "", {}, {}, entry.at};
  for (size_t i = 1; i < words.size(); ++i)
    if (!take_attribute(policy, words[0], words[i])) postfix.untranslated(entry.at, "TLS policy for " + printable(entry.key, 60) + ": " + printable(words[i], 80) + " is left out");
  if (words[0] == "fingerprint" && policy.fingerprints.empty())
    return postfix.untranslated(entry.at, "TLS policy for " + printable(entry.key, 60) + ": fingerprints here are SHA-256 of the certificate");
  if (words[0] == "secure" && policy.names.empty()) policy.names = {policy.match, "." + policy.match};
  if (is_hop_key(entry.key)) return apply_to_routes(postfix, draft, entry, policy);
  if (is_pattern(policy.match)) draft.policies.push_back(std::move(policy));
  else postfix.untranslated(entry.at, "TLS policy for " + printable(entry.key, 60) + ": this is no domain");
}

void take_wrapper(Postfix& postfix) {
  if (auto set = postfix.take("smtp_tls_wrappermode"); set && is_yes(set->value))
    postfix.untranslated(set->at, "smtp_tls_wrappermode: connections to next hops begin without TLS and use STARTTLS; most providers offer that on port 587");
}

// Protocols and ciphers: the defaults are left alone, others have to be said in another language.
void take_ciphers(Postfix& postfix) {
  for (const char* name : {"smtpd_tls_protocols", "smtpd_tls_mandatory_protocols", "smtpd_tls_ciphers", "smtpd_tls_mandatory_ciphers", "smtpd_tls_exclude_ciphers",
                           "smtpd_tls_mandatory_exclude_ciphers", "tls_high_cipherlist", "tls_medium_cipherlist", "tls_preempt_cipherlist", "smtp_tls_protocols",
                           "smtp_tls_mandatory_protocols", "smtp_tls_ciphers", "smtp_tls_mandatory_ciphers", "smtp_tls_exclude_ciphers", "smtp_tls_mandatory_exclude_ciphers"}) {
    auto set = postfix.take(name);
    bool old_only = set && set->value.find("1.2") == std::string::npos && set->value.find("1.3") == std::string::npos;
    if (set && (set->name.find("protocols") == std::string::npos || !old_only))
      postfix.look(set->at, set->name + ": TLS 1.2 and 1.3 with sound ciphers are used; tls.priority and tls.outbound_priority say others");
  }
}

}  // namespace

void translate_tls(Postfix& postfix, Draft& draft) {
  take_certificates(postfix, draft);
  take_own_certificate(postfix, draft);
  take_server_level(postfix);
  take_client_level(postfix, draft);
  take_anchors(postfix, draft);
  take_wrapper(postfix);
  take_ciphers(postfix);
  for (const char* name : {"smtp_tls_policy_maps", "smtp_tls_per_site"})
    if (auto maps = postfix.take(name))
      for (const MapEntry& entry : postfix.entries(*maps)) take_policy(postfix, draft, entry);
}

}  // namespace veredus::migrate
