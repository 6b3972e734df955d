// What a report says: which recipients want one, and the result of the queue in the terms of RFC 3464. Values; any thread.
#pragma once

#include <string>
#include <vector>

#include "config/settings.h"
#include "mail/dsn.h"
#include "queue/queue.h"

namespace veredus {

std::string_view report_kind_name(ReportKind kind);  // "failure"

// RFC 3461 4.1 and 5.2: does NOTIFY ask for this kind of report? Without NOTIFY: failures and delays.
bool notify_wants(uint8_t notify, ReportKind kind);

// All but the original's content, which the caller adds.
DsnReport describe_report(const Envelope& original, ReportKind kind, const std::vector<ReportedRecipient>& recipients,
                          const Settings& settings, WallTime now);

// The report as a message: null sender, to the original's sender, in the original's tenant and stream.
Message make_report(DsnReport report, const Envelope& original);

}  // namespace veredus
