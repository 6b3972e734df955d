// The note in an envelope of a message whose first attempt waits, as sendmail -odq asks for: kept with the message, read by the queue. Value.
#pragma once

#include <string_view>

namespace veredus {

constexpr std::string_view kQueueOnlyNote = "submission.queue_only";

}  // namespace veredus
