// A mailbox in one file (mbox): locked with fcntl, then with a lock file, appended to, synced; cut back when that fails. Runs as its owner.
#pragma once

#include <signal.h>

#include <string>

#include "fd.h"
#include "message.h"

namespace local {

struct MailboxOptions {
  int lock_wait = 30, stale_lock = 300;  // seconds
};

// Set by a signal: waiting ends, writing does not.
extern volatile sig_atomic_t g_asked_to_end;

Report append_to_mailbox(const std::string& path, const Message& message, const MailboxOptions& options);
// Into a Maildir, made when it is missing. `root`: an existing directory; `path`: below it, no links are followed there.
Report store_in_maildir(const std::string& root, const std::string& path, const Message& message, const std::string& hostname);

}  // namespace local
