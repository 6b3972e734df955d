// Senders: which account may send as whom, by auth.senders and auth.sender_table. [loop]
#pragma once

#include <string>
#include <string_view>

#include "config/settings.h"
#include "loop/loop.h"
#include "loop/table_port.h"
#include "loop/task.h"

namespace veredus {

enum class SenderRight : uint8_t { allowed, refused, unknown };  // unknown: the table cannot be asked now

// `sender`: an address; the null sender may be used by everybody. `tables` may be null.
// `unlisted`: what holds for a sender of which nothing is said.
Task<SenderRight> may_send_as(Loop& loop, SettingsPtr settings, TablePort* tables, std::string account, std::string sender, UnlistedSender unlisted);

}  // namespace veredus
