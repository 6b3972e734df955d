// Classification: what replies and failures mean for recipients and for the connection. Values; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "hooks/hooks.h"
#include "queue/queue.h"
#include "smtp/client_machine.h"

namespace veredus {

Reply local_reply(uint16_t code, EnhancedCode enhanced, std::string text);

// What became of one recipient in a transaction. `not_tried` for those another transaction or connection should take.
RecipientOutcome outcome_of(const RecipientResult& result, std::string remote);
// A positive or impossible code never stands for a failure.
Outcome outcome_for(const Reply& refusal);

// Why a next hop could not be used.
Reply connect_failure(const std::string& remote, const Error& error);
Reply lost_connection(const std::string& remote, const Error& error, ClientPhase phase);
Reply closed_connection(const std::string& remote, ClientPhase phase);
std::string_view phase_name(ClientPhase phase);

// The verdict of an attempt hook or a result hook on one recipient; false when it changes nothing.
bool apply_verdict(const Verdict& verdict, RecipientOutcome& outcome);
// The same words in the class that a verdict stands for; code 0 when there were none or the verdict has no class.
Reply reclassified(Reply said, Action action);
// A route or pool that a hook chose for this recipient, once an attempt was due: false when it chose none, or the one there is.
bool apply_route(const std::vector<Edit>& edits, std::string_view next_hop, std::string_view pool, RecipientOutcome& outcome);

}  // namespace veredus
