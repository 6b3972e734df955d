// Users of this host, and the virtual domains that Postfix itself delivers: for the plugin local and its helper.
#include <algorithm>
#include <set>

#include "base/text.h"
#include "config/scalars.h"
#include "migrate/translate.h"
#include "migrate/words.h"

namespace veredus::migrate {

namespace {

void option(Draft& draft, const std::string& text, const Origin& at) { draft.local.options.emplace_back(text, at); }

// Text files are read as they are, so the index beside them is not needed.
void take_aliases(Postfix& postfix, Draft& draft) {
  postfix.take("alias_database");  // says what newaliases builds, alias_maps what is used
  auto set = postfix.take("alias_maps");
  if (!set) return;
  static const std::set<std::string_view> kText = {"hash", "lmdb", "btree", "dbm", "cdb", "texthash"};
  for (const std::string& word : split_words(set->value)) {
    MapReference map = parse_reference(word);
    if (kText.contains(map.type) && map.argument.starts_with("/")) add_once(draft.local.aliases, map.argument);
    else postfix.untranslated(set->at, "alias_maps: " + printable(word, 80) + " is no text file; write its aliases into one and name it in aliases: of the plugin local");
  }
}

void take_mailbox(Postfix& postfix, Draft& draft) {
  auto command = postfix.take_as_written("mailbox_command");
  auto home = postfix.take("home_mailbox");
  auto directory = postfix.take("mail_spool_directory");
  if (command && !command->value.empty()) {
    option(draft, "--mailbox-command=" + command->value, command->at);
    postfix.look(command->at, "mailbox_command: runs as before, with the recipient's rights; see veredus-local(7) for what is in its environment");
  } else if (home && !home->value.empty()) {
    option(draft, "--mailbox={home}/" + home->value, home->at);
  } else if (directory && !directory->value.empty() && directory->value != "/var/mail" && directory->value != "/var/spool/mail") {
    bool maildir = directory->value.ends_with("/");
    option(draft, "--mailbox=" + directory->value + (maildir ? "{user}/" : "/{user}"), directory->at);
  }
  if (auto limit = postfix.take("mailbox_size_limit"); limit && limit->value != "0" && parse_uint(limit->value)) option(draft, "--file-limit=" + limit->value, limit->at);
  if (auto limit = postfix.take("command_time_limit"))
    if (auto seconds = seconds_of(read_duration(limit->value, 's').value_or(""))) option(draft, "--time-limit=" + std::to_string(std::clamp(*seconds, 1ULL, 3500ULL)), limit->at);
  if (auto user = postfix.take("default_privs"); user && user->value != "nobody") option(draft, "--default-user=" + user->value, user->at);
}

// True: it is LMTP, and said.
bool take_lmtp(Postfix& postfix, Draft& draft, const Parameter& set) {
  size_t colon = set.value.find(':');
  if (colon == std::string::npos || kind_of_transport(postfix, set.value.substr(0, colon)) != "lmtp") return false;
  Hop hop = read_hop(set.value.substr(colon + 1), true, postfix.value("queue_directory"));
  if (hop.to.empty()) return false;
  draft.local.settings.push_back({"mailbox_transport", yaml_text(hop.to), set.at});
  if (hop.to.starts_with("lmtp://" + postfix.value("queue_directory")))
    postfix.look(set.at, "mailbox_transport: " + hop.to + " lies in the directory of Postfix: give the mailbox server another socket, readable for the user veredus, and change the setting");
  return true;
}

void take_transport(Postfix& postfix, Draft& draft) {
  auto set = postfix.take("mailbox_transport");
  if (set && !set->value.empty() && !take_lmtp(postfix, draft, *set))
    postfix.untranslated(set->at, "mailbox_transport = " + printable(set->value, 80) +
                                      ": only LMTP can stand in mailbox_transport of the plugin local; name a command by --mailbox-command of veredus-local");
  if (auto other = postfix.take("fallback_transport"); other && !other->value.empty())
    postfix.untranslated(other->at, "fallback_transport: mail for unknown users is refused here when it arrives");
  if (auto other = postfix.take("luser_relay"); other && !other->value.empty())
    postfix.untranslated(other->at, "luser_relay = " + printable(other->value, 80) + ": a virtual table can hold @DOMAIN for unknown users");
}

void take_names(Postfix& postfix, Draft& draft) {
  auto set = postfix.take("recipient_delimiter");
  if (set && set->value != "+") draft.local.settings.push_back({"extension", yaml_text(set->value.substr(0, 8)), set->at});
  if (!set) draft.local.settings.push_back({"extension", "\"\"", {"main.cf", 0}});
  if (set && set->value.size() > 1)
    postfix.look(set->at, "recipient_delimiter: here its characters part user and extension together, as one separator; name one");
  auto maps = postfix.take("local_recipient_maps");
  if (!maps) return;
  auto words = split_words(maps->value);
  bool usual = words.size() == 2 && words[0] == "proxy:unix:passwd.byname";
  if (words.empty()) postfix.untranslated(maps->at, "local_recipient_maps is empty: Postfix accepted unknown users, here they are refused");
  else if (!usual) postfix.look(maps->at, "local_recipient_maps: users and aliases of this host are accepted; others need a line in /etc/aliases or a virtual table");
}

std::string domain_of(const std::string& address) { return lowered(address.substr(address.rfind('@') + 1)); }

// A list of targets as our tables have them.
std::string targets_of(Postfix& postfix, const MapEntry& entry) {
  std::string out;
  for (const std::string& word : split_words(entry.value)) {
    if (word.starts_with("@")) {
      postfix.untranslated(entry.at, printable(entry.key, 60) + " leads to the whole of another domain, " + printable(word, 60) + "; name its addresses");
      return "";
    }
    out += (out.empty() ? "" : ", ") + word;
  }
  return out;
}

struct Virtual {
  std::set<std::string> domains;
  std::vector<MapEntry> rows;
};

// An address without a domain belongs to $myorigin; a domain alone says only that it is virtual.
void read_alias(Postfix& postfix, MapEntry entry, Virtual& out) {
  if (entry.key.find('@') == std::string::npos && is_domain(entry.key) && entry.key.find('.') != std::string::npos) {
    out.domains.insert(lowered(entry.key));
    return;
  }
  if (entry.key.find('@') == std::string::npos) entry.key += "@" + postfix.value("myorigin");
  entry.value = targets_of(postfix, entry);
  if (!entry.value.empty()) out.rows.push_back(std::move(entry));
}

void take_virtual_aliases(Postfix& postfix, Draft& draft) {
  Virtual found;
  auto maps = postfix.take("virtual_alias_maps");
  if (!maps) maps = postfix.take("virtual_maps");
  if (maps)
    for (MapEntry& entry : postfix.entries(*maps)) read_alias(postfix, std::move(entry), found);
  if (auto domains = postfix.take("virtual_alias_domains")) {
    found.domains.clear();
    for (const MapEntry& entry : postfix.entries(*domains)) found.domains.insert(lowered(entry.key));
  }
  for (const std::string& domain : found.domains)
    if (is_domain(domain)) add_once(draft.local.virtual_domains, domain);
  std::set<std::string> ours(draft.local.virtual_domains.begin(), draft.local.virtual_domains.end());
  ours.insert(draft.local_domains.begin(), draft.local_domains.end());
  TableDraft& table = draft.table("postfix-virtual");
  for (MapEntry& row : found.rows) {
    if (ours.contains(domain_of(row.key))) table.rows.push_back(std::move(row));
    else postfix.untranslated(row.at, printable(row.key, 80) + ": an alias for a domain that is not delivered here");
  }
  if (!table.rows.empty()) draft.local.settings.push_back({"virtual", "postfix-virtual", maps->at});
}

// The owner of virtual mailboxes: the helper wants a name.
std::string owner_of(Postfix& postfix, const std::optional<Parameter>& uids) {
  std::string value = uids ? uids->value : "";
  if (value.starts_with("static:")) value.erase(0, 7);
  if (uids && (value.find_first_not_of("0123456789") == std::string::npos || value.find(':') != std::string::npos))
    postfix.look(uids->at, "virtual_uid_maps = " + printable(uids->value, 60) + ": name the user to whom the mailboxes belong in --virtual-user of the helper; vmail is written there");
  return value.empty() || value.find_first_not_of("0123456789") == std::string::npos || !is_name(value) ? "vmail" : value;
}

// Mailboxes that virtual(8) writes.
void use_mailboxes(Postfix& postfix, Draft& draft, const std::vector<std::string>& domains, const std::vector<MapEntry>& rows, const Origin& at) {
  for (const std::string& domain : domains) add_once(draft.local.virtual_domains, domain);
  TableDraft& table = draft.table("postfix-mailboxes");
  for (const MapEntry& row : rows)
    if (!row.value.empty() && row.key.find('@') != std::string::npos) table.rows.push_back(row);
  if (!table.rows.empty()) draft.local.settings.push_back({"mailboxes", "postfix-mailboxes", at});
  auto base = postfix.take("virtual_mailbox_base");
  auto uids = postfix.take("virtual_uid_maps");
  postfix.take("virtual_gid_maps"), postfix.take("virtual_minimum_uid");
  if (!base || !base->value.starts_with("/")) return postfix.untranslated(at, "virtual_mailbox_base: name the directory of the mailboxes in --virtual-root of the helper");
  option(draft, "--virtual-root=" + base->value, base->at);
  option(draft, "--virtual-user=" + owner_of(postfix, uids), uids ? uids->at : base->at);
}

// Mailboxes behind LMTP: the map only says which addresses there are.
void use_recipients(Draft& draft, const std::vector<std::string>& domains, const std::vector<MapEntry>& rows, const Origin& at) {
  TableDraft& table = draft.table("postfix-recipients");
  for (MapEntry row : rows) row.value = "yes", table.rows.push_back(std::move(row));
  std::vector<std::string> patterns;
  for (const std::string& domain : domains) patterns.push_back("@" + domain);
  draft.access_rules.push_back({"unknown-mailbox", "when: { recipient: " + yaml_list(patterns) +
      " }, not: { table: { name: postfix-recipients, key: recipient } }, action: reject, code: 550, reply: \"5.1.1 There is no such mailbox here\"", at});
}

void take_virtual_mailboxes(Postfix& postfix, Draft& draft) {
  auto domains = postfix.take("virtual_mailbox_domains");
  auto maps = postfix.take("virtual_mailbox_maps");
  auto transport = postfix.take("virtual_transport");
  if (!domains || domains->value.empty()) return;
  std::vector<std::string> names;
  for (const MapEntry& entry : postfix.entries(*domains))
    if (is_domain(lowered(entry.key))) add_once(names, lowered(entry.key));
  std::vector<MapEntry> rows = maps ? postfix.entries(*maps) : std::vector<MapEntry>();
  std::string value = transport ? transport->value : "virtual";
  if (kind_of_transport(postfix, value.substr(0, value.find(':'))) == "virtual") return use_mailboxes(postfix, draft, names, rows, maps ? maps->at : domains->at);
  for (const std::string& name : names)
    if (add_route(postfix, draft, name, value, transport->at)) add_once(draft.relay_domains, name);
  if (!rows.empty() && !names.empty()) use_recipients(draft, names, rows, maps->at);
}

}  // namespace

void translate_local(Postfix& postfix, Draft& draft) {
  take_aliases(postfix, draft);
  take_mailbox(postfix, draft);
  take_transport(postfix, draft);
  take_names(postfix, draft);
  take_virtual_mailboxes(postfix, draft);
  take_virtual_aliases(postfix, draft);
  if (!draft.local.virtual_domains.empty()) draft.local.wanted = true;
  for (const std::string& domain : draft.local.virtual_domains) add_once(draft.local_domains, domain);
}

}  // namespace veredus::migrate
