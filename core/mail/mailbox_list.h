// Mailboxes of a header field (From, To, Cc, Bcc): RFC 5322 3.4 with its obsolete forms, comments and groups.
// Display names are given as they stand, encoded words untouched. What comes out has the shape of an address
// but is judged by Address::parse. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace veredus {

struct Mailbox {
  std::string name;    // display name, quotes removed
  std::string local;   // quotes kept
  std::string domain;  // empty for a bare local name
  std::string address() const { return domain.empty() ? local : local + "@" + domain; }
  bool operator==(const Mailbox&) const = default;
};

struct MailboxLimits {
  MailboxLimits() = default;
  size_t mailboxes = 10'000;
  size_t comment_depth = 32;
};

// `value`: of one field, folds included. Empty list members are passed over; anything else that is malformed
// refuses the whole list.
Result<std::vector<Mailbox>> parse_mailbox_list(std::string_view value, MailboxLimits limits = {});

// A display name fit for a header field: as it is, quoted, or as encoded words. Controls are dropped.
std::string display_name(std::string_view name);

}  // namespace veredus
