// Fix-ups: what the sendmail command and submission listeners mend in a header block. Mail from elsewhere is
// never touched. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "mail/address.h"
#include "mail/headers.h"

namespace veredus {

struct FixupOptions {
  FixupOptions() = default;
  std::string hostname;
  WallTime now{};
  MessageId id;
  Address sender;           // null: From becomes MAILER-DAEMON
  std::string sender_name;  // display name for a From that is added, may be empty
  HeaderLimits limits;
};

// A new block with Date, From and Message-ID added where they are missing and every Bcc and Resent-Bcc
// removed.
Result<std::string> mend_header(std::string_view header_block, const FixupOptions& options);

std::string message_id_of(MessageId id, std::string_view hostname);  // "<ID@hostname>"

}  // namespace veredus
