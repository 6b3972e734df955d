#include "settings.h"

#include <algorithm>

namespace mail_dkim {

namespace {

constexpr std::array<std::string_view, 3> kNeverSigned{"DKIM-Signature", "Received", "Return-Path"};

bool is_field_name(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7F && c != ':' && c != ';'; });
}

bool has_name(const std::vector<std::string>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& each) { return mailauth::same_name(each, name); });
}

// The list of a setting, or the usual one. What changes on the way, and signatures, cannot be covered.
std::vector<std::string> field_names(const vrd::Conf& conf, const char* key, const std::vector<std::string>& usual) {
  if (conf[key].size() == 0) return usual;
  std::vector<std::string> out;
  for (const vrd::Conf& one : conf.list(key)) {
    std::string name(one.text());
    if (!is_field_name(name)) one.refuse("'" + name + "' is no name of a header field");
    for (std::string_view never : kNeverSigned)
      if (mailauth::same_name(name, never)) one.refuse("the field " + name + " changes on the way and is not signed");
    out.push_back(std::move(name));
  }
  return out;
}

std::string checked_selector(const vrd::Conf& node) {
  std::string selector(node.text());
  if (!mailauth::is_host_name(selector)) node.refuse("'" + selector + "' is no selector: letters, digits, hyphens, dots between");
  return selector;
}

KeyPlace key_place(const vrd::Conf& conf) {
  KeyPlace out{checked_selector(conf["selector"]), std::string(conf.text("file")), {}};
  size_t kind = conf.choice("algorithm");
  if (kind == 1) out.kind = mailauth::KeyKind::rsa;
  if (kind == 2) out.kind = mailauth::KeyKind::ed25519;
  return out;
}

KeyRule key_rule(const vrd::Conf& conf) {
  KeyRule out;
  out.domains = common::patterns_of<common::DomainPattern>(conf, "domains");
  out.tenants = conf.texts("tenants");
  out.sign_as = common::lowered(conf.text("sign_as"));
  for (const vrd::Conf& one : conf.list("keys")) out.keys.push_back(key_place(one));
  if (out.domains.empty()) conf.refuse("the rule names no domain");
  if (!out.sign_as.empty() && !mailauth::is_host_name(out.sign_as)) conf["sign_as"].refuse("'" + out.sign_as + "' is no domain");
  if (out.keys.size() > 8) conf.refuse("a message has at most 8 signatures of ours");
  return out;
}

void check_pattern(const vrd::Conf& node, std::string_view pattern) {
  if (pattern.empty()) return;
  bool whole = pattern.find("{selector}") != std::string_view::npos && pattern.find("{domain}") != std::string_view::npos;
  if (!whole) node.refuse("the path has {domain} and {selector} in it");
  size_t slash = pattern.rfind('/');
  if (pattern.find("{selector}") < slash) node.refuse("{selector} stands in the last part of the path");
}

}  // namespace

bool KeyRule::fits(std::string_view tenant, std::string_view domain) const {
  bool of_tenant = tenants.empty() || std::find(tenants.begin(), tenants.end(), tenant) != tenants.end();
  return of_tenant && std::any_of(domains.begin(), domains.end(), [&](const common::DomainPattern& each) { return each.matches(domain); });
}

Options::Options(const vrd::Setup& setup) : ours(common::patterns_of<common::NetworkPattern>(setup.conf, "ours")) {
  const vrd::Conf& conf = setup.conf;
  engine = static_cast<EngineKind>(conf.choice("engine"));
  verify = conf.flag("verify");
  sign = conf.flag("sign");
  policy.most_signatures = static_cast<uint32_t>(conf.number("most_signatures"));
  policy.least_rsa_bits = static_cast<uint32_t>(conf.number("least_rsa_bits"));
  policy.partial_counts = conf.flag("partial_counts");
  policy.skew = conf.duration("clock_skew").count() / 1000;
  actions.fill(Action::mark);
  for (size_t i = 0; i < kResults.size(); ++i)
    if (vrd::Conf record = conf["actions"]) actions[i] = static_cast<Action>(record.choice(kResults[i]));
  reply = conf.text("reply");
  if (!common::is_printable(reply)) conf["reply"].refuse("a reply is printable ASCII");
  dns_timeout = conf.duration("dns_timeout");
  common::add_patterns(ours, setup.host.core("relay_networks"));

  signing.names = field_names(conf, "signed", mailauth::usually_signed());
  signing.oversigned = field_names(conf, "oversigned", mailauth::usually_oversigned());
  if (!has_name(signing.names, "From") && !has_name(signing.oversigned, "From")) signing.names.insert(signing.names.begin(), "From");
  signing.header_form = conf.choice("canonical_header") == 0 ? mailauth::Canonical::relaxed : mailauth::Canonical::simple;
  signing.body_form = conf.choice("canonical_body") == 0 ? mailauth::Canonical::relaxed : mailauth::Canonical::simple;
  if (conf.duration("expire").count() > 0) signing.lifetime = conf.duration("expire").count() / 1000;
  for (const vrd::Conf& one : conf.list("rules")) rules.push_back(key_rule(one));
  if (conf["key_table"]) key_table = setup.table(conf.text("key_table"));
  table_key = conf.text("key_table_key");
  key_files = conf.text("key_files");
  check_pattern(conf["key_files"], key_files);
  for (const vrd::Conf& one : conf.list("selectors")) selectors.push_back(checked_selector(one));
  sender_fallback = conf.choice("fallback") == 0;
  on_failure = static_cast<OnFailure>(conf.choice("on_failure"));
  table_timeout = conf.duration("table_timeout");
  key_refresh = conf.duration("key_refresh");
  key_cache = static_cast<size_t>(conf.number("key_cache"));
}

Action Options::action(std::string_view result) const {
  auto place = std::find(kResults.begin(), kResults.end(), result);
  return place == kResults.end() ? Action::mark : actions[static_cast<size_t>(place - kResults.begin())];
}

bool Options::trusts(std::string_view client) const {
  const auto address = common::address_octets(client);
  return address && std::any_of(ours.begin(), ours.end(), [&](const common::NetworkPattern& each) { return each.matches(*address); });
}

}  // namespace mail_dkim
