// Names, networks, domains.
#include <algorithm>

#include "base/text.h"
#include "config/scalars.h"
#include "migrate/translate.h"
#include "migrate/words.h"

namespace veredus::migrate {

namespace {

void take_hostname(Postfix& postfix, Draft& draft) {
  auto set = postfix.take("myhostname");
  postfix.take("mydomain");  // is in the values made of it
  if (!set) return;
  if (is_domain(lowered(set->value))) draft.host.push_back({"hostname", yaml_text(lowered(set->value)), set->at});
  else postfix.untranslated(set->at, "myhostname: " + printable(set->value, 80) + " is no host name");
}

void take_origin(Postfix& postfix, Draft& draft) {
  auto set = postfix.take("myorigin");
  if (!set || set->value == "/etc/mailname") return;  // the default here too
  std::string origin = lowered(set->value);
  if (origin.starts_with("/")) {
    auto read = postfix.entries(*set);
    origin = read.empty() ? "" : lowered(read.front().key);
  }
  if (is_domain(origin)) draft.host.push_back({"origin", yaml_text(origin), set->at});
  else postfix.untranslated(set->at, "myorigin: " + printable(set->value, 80) + " is no domain");
}

std::vector<std::string> networks_of(Postfix& postfix, const Parameter& parameter) {
  std::vector<std::string> out;
  for (const MapEntry& entry : postfix.entries(parameter)) {
    std::string why, network = entry.key.starts_with("!") ? "" : read_network(entry.key, why);
    if (entry.key.starts_with("!")) why = "is an exception, which lists of networks here do not have";
    if (!why.empty()) postfix.untranslated(entry.at, parameter.name + ": " + printable(entry.key, 60) + " " + why);
    else if (!network.empty()) add_once(out, network);
  }
  return out;
}

void take_networks(Postfix& postfix, Draft& draft) {
  if (auto set = postfix.take("mynetworks")) draft.host.push_back({"relay_networks", yaml_list(networks_of(postfix, *set)), set->at});
  if (auto style = postfix.take("mynetworks_style"); style && style->value != "host" && !postfix.is_set("mynetworks"))
    postfix.look(style->at, "mynetworks_style = " + printable(style->value, 20) + ": name the networks that may relay in relay_networks; only this host may so far");
  if (auto set = postfix.take("smtpd_authorized_xclient_hosts"); set && !set->value.empty())
    draft.host.push_back({"xclient_networks", yaml_list(networks_of(postfix, *set)), set->at});
}

bool subdomains_too(const Postfix& postfix, const std::string& list) {
  auto words = postfix.words("parent_domain_matches_subdomains");
  return std::find(words.begin(), words.end(), list) != words.end();
}

std::vector<std::string> domains_of(Postfix& postfix, const Parameter& parameter, bool below) {
  std::vector<std::string> out;
  for (const MapEntry& entry : postfix.entries(parameter)) {
    std::string domain = lowered(entry.key);
    if (domain.starts_with("[")) continue;  // address literals of this host
    if (domain != "*" && is_pattern(domain)) add_once(out, domain);
    else postfix.untranslated(entry.at, parameter.name + ": " + printable(entry.key, 60) + " is no domain");
    if (below && is_domain(domain)) add_once(out, "." + domain);
  }
  return out;
}

void take_relay_domains(Postfix& postfix, Draft& draft) {
  if (auto set = postfix.take("relay_domains"))
    for (const std::string& domain : domains_of(postfix, *set, subdomains_too(postfix, "relay_domains"))) add_once(draft.relay_domains, domain);
  postfix.take("parent_domain_matches_subdomains");
}

// Users of this host: unless local_transport sends them elsewhere.
void take_local_domains(Postfix& postfix, Draft& draft) {
  auto set = postfix.take("mydestination");
  Parameter used = set ? *set : Parameter{"mydestination", postfix.value("mydestination"), {"main.cf", 0}};
  std::vector<std::string> domains = domains_of(postfix, used, false);
  auto transport = postfix.take("local_transport");
  std::string value = transport ? transport->value : "local";
  std::string kind = kind_of_transport(postfix, value.substr(0, value.find(':')));
  if (kind == "local") {
    draft.local.wanted = !domains.empty();
    draft.local_domains = domains;
    return;
  }
  for (const std::string& domain : domains)
    if (add_route(postfix, draft, domain, value, transport->at)) add_once(draft.relay_domains, domain);
}

}  // namespace

bool is_yes(std::string_view value) { return iequals(value, "yes"); }

void add_once(std::vector<std::string>& list, const std::string& text) {
  if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(text);
}

void translate_host(Postfix& postfix, Draft& draft) {
  take_hostname(postfix, draft);
  take_origin(postfix, draft);
  take_networks(postfix, draft);
  take_relay_domains(postfix, draft);
  take_local_domains(postfix, draft);
}

}  // namespace veredus::migrate
