// The table of mechanisms, and which one a client takes.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "sasl/sasl.h"

namespace veredus {

namespace {

struct Row {
  std::string_view name;
  AuthKind needs;
  bool shows, binds;
};

// EXTERNAL is not offered by strength: who comes with a certificate means it.
constexpr Row kRows[] = {
    {"EXTERNAL", AuthKind::external, false, false},     {"SCRAM-SHA-256-PLUS", AuthKind::secret, false, true},
    {"SCRAM-SHA-256", AuthKind::secret, false, false},  {"OAUTHBEARER", AuthKind::token, true, false},
    {"XOAUTH2", AuthKind::token, true, false},          {"PLAIN", AuthKind::password, true, false},
    {"LOGIN", AuthKind::password, true, false},
};

constexpr auto kNames = [] {
  std::array<std::string_view, std::size(kRows)> out{};
  for (size_t i = 0; i < out.size(); ++i) out[i] = kRows[i].name;
  return out;
}();

const Row* row_of(std::string_view mechanism) {
  for (const Row& row : kRows)
    if (iequals(row.name, mechanism)) return &row;
  return nullptr;
}

bool names(std::span<const std::string> list, std::string_view mechanism) {
  return std::any_of(list.begin(), list.end(), [mechanism](const std::string& one) { return iequals(one, mechanism); });
}

bool served(const Row& row, const SaslCredentials& credentials) {
  switch (row.needs) {
    case AuthKind::external: return false;
    case AuthKind::token: return !credentials.token.empty() && !credentials.account.empty();
    default: return !credentials.password.empty() && !credentials.account.empty();
  }
}

}  // namespace

std::span<const std::string_view> sasl_mechanisms() { return kNames; }

AuthKind sasl_needs(std::string_view mechanism) {
  const Row* row = row_of(mechanism);
  return row ? row->needs : AuthKind::password;
}

bool sasl_shows_password(std::string_view mechanism) {
  const Row* row = row_of(mechanism);
  return !row || row->shows;
}

std::string choose_mechanism(std::span<const std::string> offered, std::span<const std::string> allowed, const SaslCredentials& credentials,
                             bool confidential, bool has_binding) {
  for (const Row& row : kRows) {
    bool possible = served(row, credentials) && (confidential || !row.shows) && (has_binding || !row.binds);
    if (possible && names(offered, row.name) && (allowed.empty() || names(allowed, row.name))) return std::string(row.name);
  }
  return {};
}

}  // namespace veredus
