// Services of master.cf that listen, and the others as far as somebody changed them.
#include <algorithm>
#include <set>

#include "base/address_ip.h"
#include "base/text.h"
#include "migrate/translate.h"
#include "migrate/words.h"

namespace veredus::migrate {

namespace {

constexpr unsigned kImplicit = 465, kSubmission = 587;

// Overrides that are understood, or say what is so here.
const std::set<std::string_view> kUnderstood = {
    "syslog_name", "smtpd_tls_wrappermode", "smtpd_tls_security_level", "smtpd_sasl_auth_enable", "smtpd_sasl_type", "smtpd_sasl_path", "smtpd_upstream_proxy_protocol",
    "postscreen_upstream_proxy_protocol", "smtpd_client_restrictions", "smtpd_relay_restrictions", "smtpd_recipient_restrictions", "smtpd_helo_restrictions",
    "smtpd_sender_restrictions", "smtpd_reject_unlisted_recipient", "smtpd_tls_auth_only", "milter_macro_daemon_name", "smtpd_authorized_xforward_hosts", "local_header_rewrite_clients"};

struct Place {
  std::vector<std::string> hosts;  // empty: those of inet_interfaces
  unsigned port = 0;
};

std::optional<Place> place_of(const std::string& name) {
  size_t colon = name.rfind(':');
  Place out;
  std::string port = name;
  if (colon != std::string::npos) {
    std::string host = name.substr(0, colon);
    if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
    if (host == "localhost") out.hosts = {"127.0.0.1", "::1"};
    else if (!IpAddress::parse(host)) return std::nullopt;
    else out.hosts = {host};
    port = name.substr(colon + 1);
  }
  auto number = read_port(port);
  if (!number) return std::nullopt;
  out.port = *number;
  return out;
}

std::vector<std::string> interfaces(Postfix& postfix) {
  auto set = postfix.take("inet_interfaces");
  std::vector<std::string> out;
  for (const std::string& word : split_words(set ? set->value : "all")) {
    if (word == "all") add_once(out, "0.0.0.0"), add_once(out, "::");
    else if (word == "loopback-only" || word == "localhost") add_once(out, "127.0.0.1"), add_once(out, "::1");
    else if (std::string bare = word.starts_with("[") ? word.substr(1, word.size() - 2) : word; IpAddress::parse(bare)) add_once(out, bare);
    else postfix.untranslated(set->at, "inet_interfaces: write the addresses of " + printable(word, 60) + " into listeners");
  }
  std::string protocols = postfix.value("inet_protocols");
  if (protocols == "ipv4") std::erase_if(out, [](const std::string& host) { return host.find(':') != std::string::npos; });
  if (protocols == "ipv6") std::erase_if(out, [](const std::string& host) { return host.find(':') == std::string::npos; });
  postfix.take("inet_protocols");
  return out;
}

bool only_authenticated(const Postfix& postfix, const Service& service) {
  for (const char* name : {"smtpd_client_restrictions", "smtpd_relay_restrictions", "smtpd_recipient_restrictions"}) {
    const Parameter* own = service.override_of(name);
    if (!own) continue;
    auto words = split_words(postfix.expanded(own->value));
    if (!words.empty() && words.back() == "reject" && std::find(words.begin(), words.end(), "permit_sasl_authenticated") != words.end()) return true;
  }
  return false;
}

bool only_networks(const Postfix& postfix, const Service& service) {
  for (const char* name : {"smtpd_client_restrictions", "smtpd_relay_restrictions", "smtpd_recipient_restrictions"}) {
    const Parameter* own = service.override_of(name);
    auto words = own ? split_words(postfix.expanded(own->value)) : std::vector<std::string>();
    if (words.size() == 2 && words[0] == "permit_mynetworks" && words[1] == "reject") return true;
  }
  return false;
}

std::string role_of(const Postfix& postfix, const Service& service, unsigned port) {
  if (port == kSubmission || port == kImplicit || only_authenticated(postfix, service)) return "submission";
  return only_networks(postfix, service) ? "relay" : "mx";
}

std::string tls_of(const Postfix& postfix, const Service& service, unsigned port) {
  const Parameter* wrapper = service.override_of("smtpd_tls_wrappermode");
  if (port == kImplicit || (wrapper && is_yes(postfix.expanded(wrapper->value)))) return "implicit";
  std::string level = postfix.value_for(service, "smtpd_tls_security_level");
  return level == "none" ? "none" : "starttls";
}

bool proxied(const Postfix& postfix, const Service& service) {
  return postfix.value_for(service, service.command == "postscreen" ? "postscreen_upstream_proxy_protocol" : "smtpd_upstream_proxy_protocol") == "haproxy";
}

void note_overrides(Postfix& postfix, const Service& service) {
  for (const Parameter& own : service.overrides) {
    if (kUnderstood.contains(own.name)) continue;
    if (postfix.expanded(own.value) == postfix.value(own.name)) continue;
    postfix.untranslated(service.at, "service " + printable(service.name, 40) + ": -o " + own.name + "=" + printable(own.value, 80) + ": settings here are for all listeners");
  }
}

void note_submission(Postfix& postfix, const Service& service, const ListenerDraft& listener) {
  if (listener.role == "submission" && !only_authenticated(postfix, service))
    postfix.look(service.at, "service " + printable(service.name, 40) + ": role submission takes mail from accounts only, not from mynetworks; without AUTH it refuses everybody");
}

void take_listening(Postfix& postfix, Draft& draft, const Service& service, const std::vector<std::string>& everywhere) {
  auto place = place_of(service.name);
  if (!place) return postfix.untranslated(service.at, "service " + printable(service.name, 40) + ": write its address and port into listeners");
  ListenerDraft listener{"", role_of(postfix, service, place->port), tls_of(postfix, service, place->port), proxied(postfix, service), service.at};
  for (const std::string& host : place->hosts.empty() ? everywhere : place->hosts) {
    listener.address = (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(place->port);
    auto same = [&](const ListenerDraft& one) { return one.address == listener.address; };
    if (std::none_of(draft.listeners.begin(), draft.listeners.end(), same)) draft.listeners.push_back(listener);
  }
  if (listener.proxy) postfix.look(service.at, "service " + printable(service.name, 40) + ": write the addresses of the proxy into proxy_networks; only loopback is believed so far");
  note_submission(postfix, service, listener);
  note_overrides(postfix, service);
}

// Programs that somebody added to master.cf: Debian's own list them all, so only those with a counterpart to look for are told.
void note_other(Postfix& postfix, const Service& service) {
  if (service.type == "inet" && service.command != "smtpd" && service.command != "postscreen")
    return postfix.untranslated(service.at, "service " + printable(service.name, 40) + ": " + printable(service.command, 40) + " listens there; it is no part of a mail server here");
  if (service.command == "spawn")
    return postfix.untranslated(service.at, "service " + printable(service.name, 40) + ": a policy service; see the plugins greylist, spf and ratelimit");
  if (service.type == "unix" && (service.command == "smtp" || service.command == "lmtp"))
    for (const Parameter& own : service.overrides)
      if (own.name != "syslog_name" && own.name != "smtp_fallback_relay")
        postfix.untranslated(service.at, "service " + printable(service.name, 40) + ": -o " + own.name + "=" + printable(own.value, 80) + ": settings for one kind of next hop stand in routes");
}

}  // namespace

void translate_listeners(Postfix& postfix, Draft& draft) {
  std::vector<std::string> everywhere = interfaces(postfix);
  bool any = false;
  for (const Service& service : postfix.services()) {
    bool listens = service.type == "inet" && (service.command == "smtpd" || service.command == "postscreen");
    if (listens) take_listening(postfix, draft, service, everywhere), any = true;
    else note_other(postfix, service);
  }
  if (!any && postfix.services().empty()) take_listening(postfix, draft, {"smtp", "inet", "smtpd", {}, {}, {"main.cf", 0}}, everywhere);
  for (const ListenerDraft& listener : draft.listeners)
    if (listener.proxy) return draft.host.push_back({"proxy_networks", "[loopback]", listener.at});
}

}  // namespace veredus::migrate
