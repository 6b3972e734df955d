// Draft: what was understood of the other server's configuration, in the words of ours, before it is written down. Values only.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "migrate/postfix_files.h"

namespace veredus::migrate {

struct SettingLine {
  std::string key, value;  // value as YAML
  Origin at;
};

struct ListenerDraft {
  std::string address, role, tls;
  bool proxy = false;
  Origin at;
};

struct RouteDraft {
  std::string match;
  std::vector<std::string> to;  // in order of fail-over
  std::string key;              // as Postfix writes the first next hop: passwords and TLS policies are found by it
  std::string credentials, tls;
  Origin at;
};

struct PolicyDraft {
  std::string match, level, ca;
  std::vector<std::string> names, fingerprints;
  Origin at;
};

struct CredentialDraft {
  std::string name, user, password;
  Origin at;
};

struct SenderDraft {
  std::string match;
  std::vector<std::string> accounts;
  Origin at;
};

// A table-file of its own.
struct TableDraft {
  std::string instance;
  std::vector<MapEntry> rows;
};

struct BlockListDraft {
  std::string zone, kind;
  std::vector<std::string> codes;
  unsigned weight = 1;
  Origin at;
};

struct LocalDraft {
  bool wanted = false;
  std::vector<std::string> aliases;
  std::vector<SettingLine> settings;            // of the plugin
  std::vector<std::string> virtual_domains;
  std::vector<std::pair<std::string, Origin>> options;  // of the helper: "--mailbox={home}/Maildir/"
};

struct Draft {
  std::vector<SettingLine> host, limits, queue, outbound, tls, auth;
  std::vector<std::string> relay_domains, local_domains;
  std::vector<ListenerDraft> listeners;
  std::vector<RouteDraft> routes;
  std::vector<PolicyDraft> policies;
  std::vector<CredentialDraft> credentials;
  std::vector<SenderDraft> senders;
  std::vector<std::pair<std::string, std::string>> certificates;
  std::vector<TableDraft> tables;
  std::vector<SettingLine> access_rules;  // key: the rule's name; value: the rest as YAML
  std::vector<BlockListDraft> lists;
  unsigned reject_at = 1;
  std::string dovecot_socket;
  LocalDraft local;

  TableDraft& table(const std::string& instance) {
    for (TableDraft& one : tables)
      if (one.instance == instance) return one;
    return tables.emplace_back(TableDraft{instance, {}});
  }
};

}  // namespace veredus::migrate
