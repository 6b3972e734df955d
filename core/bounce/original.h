// Reads of a message what its report returns: the header block, and the body where it may be returned. A body in the spool is read only as
// far as it is needed. [loop]
#pragma once

#include "mail/dsn.h"
#include "mail/envelope.h"
#include "spool/spool.h"

namespace veredus {

// A longer header block is returned cut at a line; nobody needs more of it to know his message.
constexpr size_t kReturnedHeader = 65'536;

// Fills the original's fields of the report. Fails when the spool does.
Task<Result<DsnReport>> with_original(Loop& loop, Spool& spool, std::shared_ptr<const Message> message, DsnReport report);

}  // namespace veredus
