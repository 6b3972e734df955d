// Settings of the plugin dkim, read once. Any thread.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "common/network.hpp"
#include "mailauth/dkim/sign.h"
#include "mailauth/dkim/verify.h"

namespace mail_dkim {

enum class EngineKind : size_t { native, opendkim };
enum class Action : size_t { accept, mark, hold, tempfail, reject };
enum class OnFailure : size_t { tempfail, send };
constexpr std::array<const char*, 7> kResults{"none", "neutral", "pass", "fail", "policy", "temperror", "permerror"};

// Where a private key is.
struct KeyPlace {
  std::string selector;
  std::string file;                        // or, when it begins with "base64:", the key itself
  std::optional<mailauth::KeyKind> kind;   // what it must be; none: whatever it is
};

// Domains whose mail is signed with these keys.
struct KeyRule {
  std::vector<common::DomainPattern> domains;
  std::vector<std::string> tenants;  // empty: all
  std::string sign_as;               // d=; empty: the domain itself
  std::vector<KeyPlace> keys;

  bool fits(std::string_view tenant, std::string_view domain) const;
};

struct Options {
  explicit Options(const vrd::Setup& setup);

  Action action(std::string_view result) const;
  bool trusts(std::string_view client) const;

  EngineKind engine = EngineKind::native;
  bool verify = true, sign = true;
  mailauth::DkimPolicy policy;
  std::array<Action, kResults.size()> actions{};
  std::string reply;
  vrd::milliseconds dns_timeout{};

  std::vector<common::NetworkPattern> ours;  // core.relay_networks among them
  mailauth::SignOptions signing;             // but for the time
  std::vector<KeyRule> rules;
  std::optional<vrd::Table> key_table;
  std::string table_key, key_files;
  std::vector<std::string> selectors;
  bool sender_fallback = true;
  OnFailure on_failure = OnFailure::tempfail;
  vrd::milliseconds table_timeout{}, key_refresh{};
  size_t key_cache = 0;
};

}  // namespace mail_dkim
