// The more exact entry decides: the address, then its domain, then everything; the table before the settings.
#include "inbound/senders.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "mail/address.h"

namespace veredus {

namespace {

constexpr Millis kTablePatience{10'000};

bool among(const std::vector<std::string>& accounts, std::string_view account) {
  return std::any_of(accounts.begin(), accounts.end(), [&](const std::string& one) { return one == "*" || iequals(one, account); });
}

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    size_t end = std::min(text.find_first_of(", \t"), text.size());
    if (end > 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

const SenderSettings* entry_for(const std::vector<SenderSettings>& entries, std::string_view key) {
  auto found = std::find_if(entries.begin(), entries.end(), [&](const SenderSettings& one) { return iequals(one.match, key); });
  return found == entries.end() ? nullptr : &*found;
}

}  // namespace

Task<SenderRight> may_send_as(Loop& loop, SettingsPtr settings, TablePort* tables, std::string account, std::string sender, UnlistedSender unlisted) {
  const AuthSettings& rules = settings->auth;
  if (sender.empty()) co_return SenderRight::allowed;
  auto parsed = Address::parse(sender);
  std::string address = lowered(parsed ? parsed->key() : sender);  // "ann"@a.test is ann@a.test
  size_t at = address.rfind('@');
  std::array<std::string, 3> keys{address, at == std::string::npos ? std::string() : address.substr(at), "*"};
  for (const std::string& key : keys) {
    if (key.empty()) continue;
    if (!rules.sender_table.empty()) {
      if (!tables) co_return SenderRight::unknown;
      TableAnswer answer = co_await tables->look_up(loop, rules.sender_table, key, Deadline::in(loop, kTablePatience));
      if (answer.kind == TableAnswer::Kind::temporary) co_return SenderRight::unknown;
      if (answer.kind == TableAnswer::Kind::found) co_return among(words(answer.value), account) ? SenderRight::allowed : SenderRight::refused;
    }
    if (const SenderSettings* entry = entry_for(rules.senders, key))
      co_return among(entry->accounts, account) ? SenderRight::allowed : SenderRight::refused;
  }
  co_return unlisted == UnlistedSender::allow ? SenderRight::allowed : SenderRight::refused;
}

}  // namespace veredus
