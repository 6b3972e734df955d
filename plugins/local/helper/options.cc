// The table of options.
#include "options.h"

#include <unistd.h>

#include <charconv>
#include <functional>
#include <utility>

namespace local {

namespace {

using Set = std::function<bool(HelperOptions&, const std::string&)>;

struct Row {
  const char* name;
  const char* help;
  Set set;
};

Set text(std::string HelperOptions::*member) {
  return [member](HelperOptions& out, const std::string& value) { return out.*member = value, true; };
}

Set absolute(std::string HelperOptions::*member) {
  return [member](HelperOptions& out, const std::string& value) { return out.*member = value, value.empty() || value[0] == '/'; };
}

template <typename T>
Set number(T HelperOptions::*member, T low, T high) {
  return [=](HelperOptions& out, const std::string& value) {
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out.*member);
    return error == std::errc() && end == value.data() + value.size() && out.*member >= low && out.*member <= high;
  };
}

bool good_mailbox(const std::string& path) {
  bool rooted = path.starts_with('/') || path.starts_with("{home}/");
  return rooted && path.find("..") == path.npos && (path.find("{user}") != path.npos || path.starts_with("{home}"));
}

const std::vector<Row>& rows() {
  static const std::vector<Row> table = {
      {"mailbox", "PATH  a user's mailbox, with {user} and {home}; ends with / for a Maildir (/var/mail/{user})",
       [](HelperOptions& out, const std::string& value) { return out.mailbox = value, good_mailbox(value); }},
      {"mailbox-command", "COMMAND  run as the user instead of writing the mailbox", text(&HelperOptions::mailbox_command)},
      {"forward", "NAME  file in the home that says where mail goes; empty: none (.forward)",
       [](HelperOptions& out, const std::string& value) { return out.forward = value, value.find('/') == value.npos; }},
      {"default-user", "USER  runs commands and writes files that an aliases file of root names (nobody)",
       text(&HelperOptions::default_user)},
      {"aliases", "PATH  a file of aliases whose commands and files are allowed; may be given several times (/etc/aliases)",
       [](HelperOptions& out, const std::string& value) {
         if (!value.empty()) out.aliases.push_back(value);
         return value.empty() || value[0] == '/';
       }},
      {"virtual-root", "DIRECTORY  below which virtual mailboxes are", absolute(&HelperOptions::virtual_root)},
      {"virtual-user", "USER  whose they are", text(&HelperOptions::virtual_user)},
      {"passwd", "FILE  users from a file in the form of passwd(5), for tests", absolute(&HelperOptions::passwd)},
      {"hostname", "NAME  in the names of messages in Maildirs",
       [](HelperOptions& out, const std::string& value) { return out.hostname = value, !value.empty() && value.find('/') == value.npos; }},
      {"lock-wait", "SECONDS  to wait for a locked mailbox (30)", number(&HelperOptions::lock_wait, 0, 600)},
      {"stale-lock", "SECONDS  after which a lock file counts for nothing (300)", number(&HelperOptions::stale_lock, 1, 86'400)},
      {"time-limit", "SECONDS  that a command may take (240)", number(&HelperOptions::time_limit, 1, 3'500)},
      {"children", "NUMBER  of deliveries at once (20)", number(&HelperOptions::children, 1, 1'000)},
      {"file-limit", "OCTETS  that a mailbox may have; 0: no bound (0)", number(&HelperOptions::file_limit, uint64_t{0}, UINT64_MAX / 2)},
  };
  return table;
}

}  // namespace

std::optional<HelperOptions> read_options(const std::vector<std::string>& words, std::string& problem) {
  HelperOptions out;
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) == 0 && *name && std::string(name).find('/') == std::string::npos) out.hostname = name;
  bool aliases_given = false;
  for (const std::string& word : words) {
    size_t equals = word.find('=');
    bool known = false;
    for (const Row& row : rows()) {
      if (word.substr(0, equals) != "--" + std::string(row.name) || equals == word.npos) continue;
      known = true;
      if (row.name == std::string("aliases") && !std::exchange(aliases_given, true)) out.aliases.clear();
      if (row.set(out, word.substr(equals + 1))) continue;
      problem = word + ": not a value for --" + row.name;
      return std::nullopt;
    }
    if (known) continue;
    problem = word + ": there is no such option; options are written --name=value";
    return std::nullopt;
  }
  if (!out.virtual_root.empty() && out.virtual_user.empty()) problem = "--virtual-root needs --virtual-user";
  return problem.empty() ? std::optional(std::move(out)) : std::nullopt;
}

std::string options_help() {
  std::string out;
  for (const Row& row : rows()) out += "  --" + std::string(row.name) + "=" + row.help + "\n";
  return out;
}

}  // namespace local
