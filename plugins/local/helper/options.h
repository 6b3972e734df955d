// What the helper may do as users of this host. Said on its command line by root's configuration alone; no request can change it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace local {

struct HelperOptions {
  std::string mailbox = "/var/mail/{user}";  // {user}, {home}; ends with / for a Maildir
  std::string mailbox_command;               // instead of the mailbox; empty: none
  std::string forward = ".forward";          // in the user's home; empty: not looked for
  std::string default_user = "nobody";       // runs commands and writes files that a file of root names
  std::vector<std::string> aliases{"/etc/aliases"};
  std::string virtual_root, virtual_user;    // mailboxes of people who are no users of this host; empty: none
  std::string passwd;                        // users from a file, for tests; empty: the system's
  std::string hostname = "localhost";        // in names of files
  int lock_wait = 30, stale_lock = 300, time_limit = 240;  // seconds
  int children = 20;                         // at work at once
  uint64_t file_limit = 0;                   // octets that a mailbox may have; 0: no bound
};

// nullopt: `problem` says why.
std::optional<HelperOptions> read_options(const std::vector<std::string>& words, std::string& problem);
std::string options_help();

}  // namespace local
