// Accounts of clients, restrictions, block lists.
#include <set>

#include "base/text.h"
#include "config/scalars.h"
#include "migrate/translate.h"
#include "migrate/words.h"

namespace veredus::migrate {

namespace {

void take_dovecot(Postfix& postfix, Draft& draft) {
  auto type = postfix.take("smtpd_sasl_type");
  auto path = postfix.take("smtpd_sasl_path");
  auto enabled = postfix.take("smtpd_sasl_auth_enable");
  bool wanted = enabled && is_yes(enabled->value);
  for (const Service& service : postfix.services())
    if (const Parameter* own = service.override_of("smtpd_sasl_auth_enable")) wanted = wanted || is_yes(postfix.expanded(own->value));
  if (!type || type->value != "dovecot") {
    if (wanted) postfix.untranslated(enabled ? enabled->at : Origin{"master.cf", 0}, "AUTH by Cyrus SASL: name accounts by the plugin auth-file, auth-dovecot or auth-http");
    return;
  }
  std::string socket = path ? path->value : "private/auth";
  if (!wanted) return;
  if (socket.starts_with("inet:")) return postfix.untranslated(path->at, "smtpd_sasl_path = " + printable(socket, 80) + ": the plugin auth-dovecot asks by a Unix socket");
  if (socket.starts_with("unix:")) socket.erase(0, 5);
  if (!socket.starts_with("/")) socket = postfix.value("queue_directory") + "/" + socket;
  draft.dovecot_socket = socket;
  postfix.look(type->at, socket + " is for Postfix: give Dovecot one for us, service auth { unix_listener auth-client { mode = 0660 group = veredus } }, and name it in the plugin auth-dovecot");
  if (enabled && is_yes(enabled->value)) draft.auth.push_back({"roles", "[submission, mx]", enabled->at});
}

void take_senders(Postfix& postfix, Draft& draft) {
  auto set = postfix.take("smtpd_sender_login_maps");
  if (!set) return;
  for (const MapEntry& entry : postfix.entries(*set)) {
    std::vector<std::string> accounts = split_words(entry.value);
    if (entry.key.find('@') == std::string::npos || accounts.empty()) postfix.untranslated(entry.at, "smtpd_sender_login_maps: " + printable(entry.key, 60) + " is no address with accounts");
    else draft.senders.push_back({entry.key, accounts, entry.at});
  }
}

// What holds here without being said.
const std::set<std::string_view> kNothing = {
    "permit_mynetworks", "permit_sasl_authenticated", "permit_auth_destination", "reject_unauth_destination", "reject_unauth_pipelining", "permit", "defer_unauth_destination",
    "reject_non_fqdn_recipient", "reject_invalid_hostname", "reject_invalid_helo_hostname", "permit_inet_interfaces", "reject_unlisted_recipient", "permit_tls_clientcerts_none"};

struct Hint {
  std::string_view word, text;
};
constexpr Hint kHints[] = {
    {"check_policy_service", "policy services are plugins here: greylist for postgrey, spf for policyd-spf, ratelimit for quotas"},
    {"check_", "tables of access: the plugin access has rules on client, helo, sender and recipient, with the plugin table-file for long lists"},
    {"reject_unknown_client_hostname", "set ptr_lookup: true, and a rule of the plugin access on client_name"},
    {"reject_unknown_reverse_client_hostname", "set ptr_lookup: true, and a rule of the plugin access on client_name"},
    {"reject_non_fqdn_helo_hostname", "the plugin access has rules on helo"},
    {"reject_unknown_helo_hostname", "names that clients give are not looked up; the plugin spf judges them"},
    {"reject_non_fqdn_sender", "the plugin access has rules on sender"},
    {"reject_unknown_sender_domain", "domains of senders are not looked up; the plugins spf and dmarc judge them"},
    {"reject_unknown_recipient_domain", "mail for domains that are not there is bounced"},
    {"permit_mx_backup", "name the domains in relay_domains"},
    {"permit_tls_clientcerts", "the plugin access has rules on tls_fingerprint; relaying is by network or account"},
    {"permit_dnswl_client", "allow: of the plugin dnsbl"},
    {"permit_rhswl_client", "allow: of the plugin dnsbl"},
};

std::string hint_for(std::string_view word) {
  for (const Hint& hint : kHints)
    if (word.starts_with(hint.word)) return std::string(hint.text);
  return "there is no such rule here; the plugin access may say it";
}

bool takes_argument(std::string_view word) {
  return word.starts_with("check_") || word.starts_with("reject_rbl") || word.starts_with("reject_rhsbl") || word.starts_with("permit_dnswl") || word.starts_with("permit_rhswl") ||
         word == "sleep" || word == "reject_maps_rbl";
}

// zone=127.0.0.[2;4..8]: ranges have no counterpart, plain addresses have.
bool read_zone(std::string_view text, BlockListDraft& list) {
  size_t equals = text.find('=');
  list.zone = lowered(text.substr(0, equals));
  if (!is_domain(list.zone)) return false;
  if (equals == std::string_view::npos) return true;
  list.codes = {std::string(text.substr(equals + 1))};
  return list.codes[0].find('[') == std::string::npos;
}

void add_list(Postfix& postfix, Draft& draft, BlockListDraft list, const std::string& text) {
  if (!read_zone(text, list)) postfix.look(list.at, "block list " + printable(text, 80) + ": look at its codes in the plugin dnsbl; all answers count so far");
  if (!is_domain(list.zone)) return;
  if (!list.codes.empty() && list.codes[0].find('[') != std::string::npos) list.codes.clear();
  for (const BlockListDraft& one : draft.lists)
    if (one.zone == list.zone && one.kind == list.kind) return;
  draft.lists.push_back(std::move(list));
}

void take_restriction(Postfix& postfix, Draft& draft, const std::vector<std::string>& words, size_t& at, const Parameter& of) {
  const std::string word = words[at];
  std::string argument = takes_argument(word) && at + 1 < words.size() ? words[++at] : "";
  std::string kind = word == "reject_rbl_client" || word == "reject_maps_rbl" ? "client" : word == "reject_rhsbl_sender" ? "sender_domain" : word == "reject_rhsbl_helo" ? "helo" : "";
  if (!kind.empty()) return add_list(postfix, draft, {"", kind, {}, 1, of.at}, argument);
  if (word == "reject_sender_login_mismatch" || word == "reject_authenticated_sender_login_mismatch") {
    draft.auth.push_back({"unlisted_senders", "refuse", of.at});
    return;
  }
  if (kNothing.contains(word) || word == "reject") return;
  postfix.untranslated(of.at, of.name + ": " + printable(argument.empty() ? word : word + " " + argument, 100) + ": " + hint_for(word));
}

void take_restrictions(Postfix& postfix, Draft& draft) {
  for (const char* name : {"smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions", "smtpd_relay_restrictions", "smtpd_recipient_restrictions",
                           "smtpd_data_restrictions", "smtpd_end_of_data_restrictions", "smtpd_etrn_restrictions"}) {
    auto set = postfix.take(name);
    if (!set) continue;
    std::vector<std::string> words = split_words(set->value);
    for (size_t at = 0; at < words.size(); ++at) take_restriction(postfix, draft, words, at, *set);
  }
  std::set<std::string> seen;
  std::erase_if(draft.auth, [&](const SettingLine& line) { return !seen.insert(line.key).second; });
}

void take_postscreen(Postfix& postfix, Draft& draft) {
  auto sites = postfix.take("postscreen_dnsbl_sites");
  auto threshold = postfix.take("postscreen_dnsbl_threshold");
  auto action = postfix.take("postscreen_dnsbl_action");
  if (!sites) return;
  for (const std::string& word : split_words(sites->value)) {
    BlockListDraft list{"", "client", {}, 1, sites->at};
    size_t star = word.find('*');
    auto weight = star == std::string::npos ? std::optional<uint64_t>(1) : parse_uint(std::string_view(word).substr(star + 1), 1000);
    if (!weight || *weight == 0) {
      postfix.untranslated(sites->at, "postscreen_dnsbl_sites: " + printable(word, 80) + " speaks for clients: see allow: of the plugin dnsbl");
      continue;
    }
    list.weight = static_cast<unsigned>(*weight);
    add_list(postfix, draft, std::move(list), word.substr(0, star));
  }
  if (action && action->value == "enforce" && threshold)
    if (auto score = parse_uint(threshold->value, 1'000'000)) draft.reject_at = static_cast<unsigned>(*score);
  if (!action || action->value == "ignore") {
    draft.reject_at = 0;
    postfix.look(sites->at, "postscreen_dnsbl_action is ignore: the plugin dnsbl refuses nobody until reject_at is set");
  }
}

}  // namespace

void translate_auth(Postfix& postfix, Draft& draft) {
  take_dovecot(postfix, draft);
  take_senders(postfix, draft);
}

void translate_access(Postfix& postfix, Draft& draft) {
  take_restrictions(postfix, draft);
  take_postscreen(postfix, draft);
}

}  // namespace veredus::migrate
