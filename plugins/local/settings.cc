// Reading settings, and refusing those that cannot work.
#include "settings.h"

namespace local {

namespace {

constexpr size_t kMostUsers = 10'000;

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    size_t end = std::min(text.find(','), text.size());
    if (end > 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::optional<vrd::Table> table_of(const vrd::Setup& setup, const char* key) {
  if (!setup.conf[key] || setup.conf.text(key).empty()) return std::nullopt;
  return setup.table(setup.conf.text(key));
}

vrd::Helper helper_of(const vrd::Setup& setup) {
  std::string name(setup.conf.text("helper"));
  try {
    return setup.helper(name);
  } catch (const vrd::Error&) {
    setup.conf["helper"].refuse("there is no helper '" + name + "': `veredus enable local` brings 05-helper-local.yaml, which names it in core.helpers; "
                                "then restart the daemon, which starts it; see veredus-local(7)");
  }
}

}  // namespace

Options::Options(const vrd::Setup& setup)
    : separator(setup.conf.text("extension")),
      root_to(setup.conf.text("root_to")),
      hostname(setup.host.core("hostname")),
      transport(setup.conf.text("mailbox_transport")),
      most_targets(static_cast<size_t>(setup.conf.number("max_targets"))),
      virtual_table(table_of(setup, "virtual")),
      mailboxes(table_of(setup, "mailboxes")),
      helper(helper_of(setup)),
      aliases(setup.conf.texts("aliases")),
      users(std::string(setup.conf.text("users")), kMostUsers, setup.conf.duration("user_cache").count()) {
  std::vector<std::string> domains = setup.conf["domains"] ? setup.conf.texts("domains") : words_of(setup.host.core("local_domains"));
  for (const std::string& one : domains) local_.emplace_back(one);
  for (const std::string& one : setup.conf.texts("virtual_domains")) virtual_.emplace_back(one);
  for (const std::string& one : domains)
    if (home_domain.empty() && one != "*" && one.front() != '.' && !common::any_matches(virtual_, one)) home_domain = common::lowered(one);
  if (home_domain.empty()) home_domain = hostname;
  bool is_hop =
      transport.empty() || transport.starts_with("lmtp://") || transport.starts_with("smtp://") || transport.starts_with("plugin:");
  if (!is_hop || transport == "plugin:local")
    setup.conf["mailbox_transport"].refuse("mailbox_transport: '" + transport + "' is no next hop such as lmtp:///run/dovecot/lmtp");
  if (root_to == "root") setup.conf["root_to"].refuse("root_to: nothing is delivered as root; name a user");
}

bool Options::is_local(std::string_view domain) const {
  return !is_virtual(domain) && common::any_matches(local_, std::string(domain));
}

bool Options::is_virtual(std::string_view domain) const {
  return common::any_matches(virtual_, std::string(domain));
}

}  // namespace local
