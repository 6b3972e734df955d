// The draft as fragments. Each setting says where it comes from.
#include <algorithm>

#include "migrate/migration.h"
#include "migrate/words.h"

namespace veredus::migrate {

namespace {

constexpr size_t kCommentColumn = 60;
constexpr const char* kHelper = "/usr/lib/veredus/veredus-local";

std::string with_origin(std::string line, const Origin& at) {
  if (at.file.empty() || at.line == 0) return line + "\n";
  line.resize(std::max(line.size() + 1, kCommentColumn), ' ');
  std::string place = at.text();
  std::replace_if(place.begin(), place.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7f; }, '?');
  return line + " # " + place + "\n";
}

std::string settings(const std::vector<SettingLine>& lines, const std::string& indent) {
  std::string out;
  for (const SettingLine& line : lines) out += with_origin(indent + line.key + ": " + line.value, line.at);
  return out;
}

std::string group(const std::string& name, const std::vector<SettingLine>& lines) {
  return lines.empty() ? "" : "  " + name + ":\n" + settings(lines, "    ");
}

std::string listeners(const Draft& draft) {
  std::string out = draft.listeners.empty() ? "  listeners: []\n" : "  listeners:\n";
  for (const ListenerDraft& one : draft.listeners) {
    std::string line = "    - { address: " + yaml_text(one.address) + ", role: " + one.role;
    if (one.tls != "starttls") line += ", tls: " + one.tls;
    out += with_origin(line + (one.proxy ? ", proxy: true }" : " }"), one.at);
  }
  return out;
}

std::string helper(const Draft& draft) {
  if (!draft.local.wanted) return "";
  std::vector<std::string> command{kHelper};
  for (const std::string& file : draft.local.aliases) command.push_back("--aliases=" + file);
  for (const auto& [option, at] : draft.local.options) command.push_back(option);
  return "  # Delivers as the recipient; started by root.\n  helpers:\n    - { name: local, command: " + yaml_list(command) + ", user: root }\n";
}

OutputFile core_file(const Draft& draft) {
  std::string out = "# The host, from Postfix. Comments at the ends of lines say where a setting was.\ncore:\n  user: veredus\n";
  out += settings(draft.host, "  ") + listeners(draft);
  out += "  relay_domains: " + yaml_list(draft.relay_domains) + "\n";
  out += "  local_domains: " + yaml_list(draft.local_domains) + "\n";
  out += group("limits", draft.limits) + group("queue", draft.queue) + group("outbound", draft.outbound) + helper(draft);
  return {"00-core.yaml", out, false};
}

std::string route_line(const RouteDraft& route) {
  std::string line = "    - { match: " + yaml_text(route.match) + ", to: " + yaml_list(route.to);
  if (!route.tls.empty()) line += ", tls: " + route.tls;
  if (!route.credentials.empty()) line += ", credentials: " + yaml_text(route.credentials);
  return with_origin(line + " }", route.at);
}

std::string password_file(const CredentialDraft& one) { return "password-" + one.name; }

void add_routes(const Draft& draft, const std::string& target, std::vector<OutputFile>& files) {
  if (draft.routes.empty() && draft.credentials.empty()) return;
  std::vector<RouteDraft> routes = draft.routes;
  std::stable_partition(routes.begin(), routes.end(), [](const RouteDraft& route) { return route.match != "*"; });
  std::string out = "# Where mail goes; the first match wins, what matches nothing goes to the domain's mail exchangers.\ncore:\n";
  if (!routes.empty()) out += "  routes:\n";
  for (const RouteDraft& route : routes) out += route_line(route);
  if (!draft.credentials.empty()) out += "  credentials:\n";
  for (const CredentialDraft& one : draft.credentials) {
    out += with_origin("    " + yaml_text(one.name) + ": { user: " + yaml_text(one.user) + ", password_file: " + yaml_text(target + "/" + password_file(one)) + " }", one.at);
    files.push_back({password_file(one), one.password + "\n", true});
  }
  files.push_back({"01-routes.yaml", out, false});
}

std::string policy_line(const PolicyDraft& one) {
  std::string line = "      - { match: " + yaml_text(one.match) + ", level: " + one.level;
  if (!one.names.empty()) line += ", names: " + yaml_list(one.names);
  if (!one.fingerprints.empty()) line += ", fingerprints: " + yaml_list(one.fingerprints);
  if (!one.ca.empty()) line += ", ca: " + yaml_text(one.ca);
  return with_origin(line + " }", one.at);
}

void add_tls(const Draft& draft, std::vector<OutputFile>& files) {
  if (draft.certificates.empty() && draft.policies.empty() && draft.tls.empty()) return;
  std::string out = "# TLS, see veredus-tls(7).\ncore:\n  tls:\n";
  if (!draft.certificates.empty()) out += "    certificates:\n";
  for (const auto& [cert, key] : draft.certificates) out += "      - { cert: " + yaml_text(cert) + ", key: " + yaml_text(key) + " }\n";
  out += settings(draft.tls, "    ");
  if (!draft.policies.empty()) out += "    policies:\n";
  std::vector<PolicyDraft> sorted = draft.policies;  // an exact domain before those below another
  std::stable_sort(sorted.begin(), sorted.end(), [](const PolicyDraft& a, const PolicyDraft& b) {
    auto rank = [](const std::string& match) { return match == "*" ? size_t{0} : match.starts_with(".") ? match.size() : size_t{1} << 30; };
    return rank(a.match) > rank(b.match);
  });
  for (const PolicyDraft& one : sorted) out += policy_line(one);
  files.push_back({"02-tls.yaml", out, false});
}

void add_auth(const Draft& draft, std::vector<OutputFile>& files) {
  if (draft.dovecot_socket.empty()) return;  // without accounts nobody is asked about senders
  std::string out = "# Accounts of clients.\ncore:\n  auth:\n    providers: [auth-dovecot]\n" + settings(draft.auth, "    ");
  if (!draft.senders.empty()) out += "    senders:\n";
  for (const SenderDraft& one : draft.senders) out += with_origin("      - { match: " + yaml_text(one.match) + ", accounts: " + yaml_list(one.accounts) + " }", one.at);
  files.push_back({"03-auth.yaml", out, false});
  files.push_back({"70-auth-dovecot.yaml", "plugin: auth-dovecot\nsocket: " + yaml_text(draft.dovecot_socket) + "\n", false});
}

void add_access(const Draft& draft, std::vector<OutputFile>& files) {
  if (!draft.access_rules.empty()) {
    std::string out = "plugin: access\nrules:\n";
    for (const SettingLine& rule : draft.access_rules) out += with_origin("  - { name: " + yaml_text(rule.key) + ", " + rule.value + " }", rule.at);
    files.push_back({"10-access.yaml", out, false});
  }
  if (draft.lists.empty()) return;
  std::string out = "plugin: dnsbl\nreject_at: " + std::to_string(draft.reject_at) + "\nlists:\n";
  for (const BlockListDraft& one : draft.lists) {
    std::string line = "  - { zone: " + yaml_text(one.zone) + ", kind: " + one.kind + ", weight: " + std::to_string(one.weight);
    if (!one.codes.empty()) line += ", codes: " + yaml_list(one.codes);
    out += with_origin(line + " }", one.at);
  }
  files.push_back({"15-dnsbl.yaml", out, false});
}

// Quotes where table-file wants them.
std::string table_word(const std::string& text) {
  std::string out;
  for (char c : text)
    if (c != '"' && c != '\n' && c != '\r') out += c;
  return out.find_first_of(" \t#") == std::string::npos ? out : "\"" + out + "\"";
}

void add_tables(const Draft& draft, const std::string& target, std::vector<OutputFile>& files) {
  unsigned number = 60;
  for (const TableDraft& table : draft.tables) {
    if (table.rows.empty()) continue;
    std::string rows;
    for (const MapEntry& row : table.rows) rows += table_word(row.key) + " " + row.value + "\n";
    std::string file = table.instance + ".table";
    files.push_back({file, rows, false});
    files.push_back({std::to_string(number++) + "-" + table.instance + ".yaml",
                     "plugin: table-file\ninstance: " + table.instance + "\nfile: " + yaml_text(target + "/" + file) + "\n", false});
  }
}

void add_local(const Draft& draft, std::vector<OutputFile>& files) {
  if (!draft.local.wanted) return;
  std::string out = "# Users of this host, see veredus-local(7).\nplugin: local\n";
  if (!draft.local.aliases.empty()) out += "aliases: " + yaml_list(draft.local.aliases) + "\n";
  if (!draft.local.virtual_domains.empty()) out += "virtual_domains: " + yaml_list(draft.local.virtual_domains) + "\n";
  files.push_back({"70-local.yaml", out + settings(draft.local.settings, ""), false});
}

}  // namespace

std::vector<OutputFile> render(const Draft& draft, const std::string& target) {
  std::vector<OutputFile> files{core_file(draft)};
  add_routes(draft, target, files);
  add_tls(draft, files);
  add_auth(draft, files);
  add_access(draft, files);
  add_tables(draft, target, files);
  add_local(draft, files);
  return files;
}

}  // namespace veredus::migrate
