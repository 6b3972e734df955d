// Where mail goes: relayhost, transport_maps, and the passwords for it.
#include <algorithm>
#include <set>

#include "base/text.h"
#include "config/scalars.h"
#include "migrate/translate.h"
#include "migrate/words.h"

namespace veredus::migrate {

namespace {

const std::set<std::string_view> kOwnTransports = {"smtp", "relay", "lmtp", "local", "virtual", "error", "retry", "discard"};

struct Transport {
  std::string name, next_hop, kind;
};

Transport parted(const Postfix& postfix, const std::string& text) {
  size_t colon = text.find(':');
  Transport out{text.substr(0, colon), colon == std::string::npos ? "" : text.substr(colon + 1), ""};
  out.kind = out.name.empty() ? "smtp" : kind_of_transport(postfix, out.name);
  return out;
}

std::string why_not(const Transport& transport, const std::string& match) {
  if (transport.kind == "error") return "refuses mail: the plugin access does it with { when: { recipient: \"@" + match + "\" }, action: reject }";
  if (transport.kind == "discard") return "throws mail away: the plugin access does it with { when: { recipient: \"@" + match + "\" }, action: discard }";
  if (transport.kind == "pipe") return "hands mail to a program: use LMTP, or an alias with a command, see veredus-local(7)";
  if (transport.kind.empty()) return "is no service of master.cf";
  return "is a service of Postfix that has no counterpart here";
}

// The next hops of a transport, in order; empty when one of them cannot be said.
std::vector<Hop> hops_of(const Postfix& postfix, const Transport& transport) {
  std::vector<Hop> out;
  for (const std::string& word : split_words(transport.next_hop)) {
    out.push_back(read_hop(word, transport.kind == "lmtp", postfix.value("queue_directory")));
    if (out.back().to.empty()) return {};
  }
  return out;
}

void note_hops(Postfix& postfix, const std::vector<Hop>& hops, const Origin& at) {
  const std::string& queue = postfix.value("queue_directory");
  for (const Hop& hop : hops) {
    if (hop.looked_up_as_mx)
      postfix.look(at, hop.host + " is connected to by its address; Postfix asked for its mail exchangers first (no brackets)");
    if (hop.to.starts_with("lmtp://" + queue))
      postfix.look(at, hop.to + " lies in the directory of Postfix: give the mailbox server another socket, readable for the user veredus, and change the route");
  }
}

bool is_address(const std::string& key) { return key.find('@') != std::string::npos && !key.starts_with("@"); }

// example.com, .example.com, * as in transport(5).
void take_entry(Postfix& postfix, Draft& draft, const MapEntry& entry) {
  std::string match = lowered(entry.key);
  if (match.starts_with("@")) match.erase(0, 1);
  if (is_address(match) || !is_pattern(match))
    return postfix.untranslated(entry.at, "transport for " + printable(entry.key, 60) + ": routes are by domain; for addresses there is the plugin routing");
  Transport transport = parted(postfix, entry.value);
  bool local = std::find(draft.local_domains.begin(), draft.local_domains.end(), match) != draft.local_domains.end();
  if ((transport.kind == "local" || transport.kind == "virtual") && local) return;
  (void)add_route(postfix, draft, match, entry.value, entry.at);
}

void take_transport_maps(Postfix& postfix, Draft& draft) {
  auto set = postfix.take("transport_maps");
  if (!set) return;
  std::vector<MapEntry> entries = postfix.entries(*set);
  // Postfix looks for the exact domain first, then for the longest part of it.
  std::stable_sort(entries.begin(), entries.end(), [](const MapEntry& a, const MapEntry& b) {
    auto rank = [](const std::string& key) { return key == "*" ? size_t{0} : key.starts_with(".") ? key.size() : size_t{1} << 30; };
    return rank(a.key) > rank(b.key);
  });
  for (const MapEntry& entry : entries) take_entry(postfix, draft, entry);
}

void take_relay_host(Postfix& postfix, Draft& draft) {
  auto set = postfix.take("relayhost");
  auto transport = postfix.take("default_transport");
  if (transport && transport->value != "smtp") {
    (void)add_route(postfix, draft, "*", transport->value, transport->at);
    return;
  }
  if (set && !set->value.empty()) (void)add_route(postfix, draft, "*", "smtp:" + set->value, set->at);
}

void take_relay_transport(Postfix& postfix, Draft& draft) {
  auto set = postfix.take("relay_transport");
  if (!set || set->value == "relay" || set->value == "smtp") return;
  for (const std::string& domain : draft.relay_domains) (void)add_route(postfix, draft, domain, set->value, set->at);
}

// Addresses that a relay takes mail for: others are refused at once.
void take_relay_recipients(Postfix& postfix, Draft& draft) {
  auto set = postfix.take("relay_recipient_maps");
  if (!set || set->value.empty()) return;
  std::vector<std::string> patterns;
  for (const std::string& domain : draft.relay_domains) patterns.push_back(domain.starts_with(".") ? domain : "@" + domain);
  TableDraft& table = draft.table("postfix-relay-recipients");
  for (MapEntry& entry : postfix.entries(*set)) {
    if (!is_address(entry.key)) postfix.untranslated(entry.at, "relay_recipient_maps: " + printable(entry.key, 60) + " stands for a whole domain; add the addresses, or take the rule unknown-recipient away");
    entry.value = "yes";
    table.rows.push_back(std::move(entry));
  }
  if (patterns.empty() || table.rows.empty()) return;
  draft.access_rules.push_back({"unknown-recipient", "when: { recipient: " + yaml_list(patterns) +
      " }, not: { table: { name: postfix-relay-recipients, key: recipient } }, action: reject, code: 550, reply: \"5.1.1 There is no such recipient here\"", set->at});
}

std::string name_for(const Draft& draft, const std::string& host) {
  std::string base = is_name(host) ? host : "relay", name = base;
  auto taken = [&](const CredentialDraft& one) { return one.name == name; };
  for (int number = 2; std::any_of(draft.credentials.begin(), draft.credentials.end(), taken); ++number) name = base + "-" + std::to_string(number);
  return name;
}

bool add_credential(Postfix& postfix, Draft& draft, const MapEntry& entry, std::string& name) {
  size_t colon = entry.value.find(':');
  if (colon == std::string::npos || colon == 0) {
    postfix.untranslated(entry.at, "password for " + printable(entry.key, 60) + ": it is not USER:PASSWORD");
    return false;
  }
  name = name_for(draft, read_hop(entry.key, false, "").host);
  draft.credentials.push_back({name, entry.value.substr(0, colon), entry.value.substr(colon + 1), entry.at});
  return true;
}

bool fits(const RouteDraft& route, const MapEntry& entry) {
  std::string key = lowered(entry.key);
  return lowered(route.key) == key || read_hop(route.key, false, "").host == key;
}

void take_password(Postfix& postfix, Draft& draft, const MapEntry& entry) {
  std::string name;
  if (is_address(entry.key)) return postfix.untranslated(entry.at, "password by sender " + printable(entry.key, 60) + ": passwords belong to routes; see the plugin routing");
  bool used = std::any_of(draft.routes.begin(), draft.routes.end(), [&](const RouteDraft& route) { return fits(route, entry); });
  bool domain = is_domain(lowered(entry.key));
  if (!used && !domain) return postfix.untranslated(entry.at, "password for " + printable(entry.key, 60) + ": no route goes there");
  if (!add_credential(postfix, draft, entry, name)) return;
  for (RouteDraft& route : draft.routes)
    if (fits(route, entry)) route.credentials = name;
  if (!used) draft.routes.insert(draft.routes.begin(), RouteDraft{lowered(entry.key), {"mx"}, entry.key, name, "", entry.at});
}

void take_passwords(Postfix& postfix, Draft& draft) {
  auto maps = postfix.take("smtp_sasl_password_maps");
  auto enabled = postfix.take("smtp_sasl_auth_enable");
  for (const char* name : {"smtp_sasl_security_options", "smtp_sasl_tls_security_options", "smtp_sasl_type", "smtp_sender_dependent_authentication"}) postfix.take(name);
  if (auto set = postfix.take("smtp_sasl_mechanism_filter"); set && !set->value.empty())
    postfix.untranslated(set->at, "smtp_sasl_mechanism_filter = " + printable(set->value, 60) + ": see mechanisms: of credentials");
  if (!maps || maps->value.empty()) return;
  if (!enabled || !is_yes(enabled->value)) return postfix.look(maps->at, "smtp_sasl_password_maps is not used while smtp_sasl_auth_enable is not yes; left out");
  for (const MapEntry& entry : postfix.entries(*maps)) take_password(postfix, draft, entry);
}

}  // namespace

std::string kind_of_transport(const Postfix& postfix, std::string_view name) {
  for (const Service& service : postfix.services())
    if (service.name == name && service.type == "unix") return service.command == "bounce" ? "" : service.command == "error" ? "error" : service.command;
  if (name == "relay") return "smtp";
  if (name == "retry") return "error";
  return kOwnTransports.contains(name) ? std::string(name) : "";
}

bool add_route(Postfix& postfix, Draft& draft, const std::string& match, const std::string& text, const Origin& at) {
  for (const RouteDraft& route : draft.routes)
    if (route.match == match) return true;  // the more exact source came first
  Transport transport = parted(postfix, text);
  if (transport.kind != "smtp" && transport.kind != "lmtp") {
    postfix.untranslated(at, "mail for " + match + ": " + printable(text, 80) + " " + why_not(transport, match));
    return false;
  }
  std::vector<std::string> to;
  std::vector<Hop> hops = hops_of(postfix, transport);
  for (const Hop& hop : hops) to.push_back(hop.to);
  if (transport.next_hop.empty()) {
    if (transport.kind == "lmtp") to = {};
    else to = {"mx"};
  }
  if (to.empty()) {
    postfix.untranslated(at, "mail for " + match + ": " + printable(text, 80) + " cannot be a next hop here");
    return false;
  }
  note_hops(postfix, hops, at);
  draft.routes.push_back({match, to, split_words(transport.next_hop).empty() ? match : split_words(transport.next_hop).front(), "", "", at});
  return true;
}

void translate_routes(Postfix& postfix, Draft& draft) {
  take_transport_maps(postfix, draft);
  take_relay_transport(postfix, draft);
  take_relay_host(postfix, draft);
  take_relay_recipients(postfix, draft);
  take_passwords(postfix, draft);
}

}  // namespace veredus::migrate
