// Names of the states of a recipient, as records, logs and commands show them.
#include "spool/spool.h"

namespace veredus {

std::string_view state_name(RecipientState state) {
  switch (state) {
    case RecipientState::queued: return "queued";
    case RecipientState::held: return "held";
    case RecipientState::delivered: return "delivered";
    case RecipientState::bounced: return "bounced";
    case RecipientState::expired: return "expired";
    case RecipientState::discarded: return "discarded";
    case RecipientState::removed: return "removed";
  }
  return "unknown";
}

}  // namespace veredus
