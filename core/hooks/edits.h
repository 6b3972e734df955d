// Edits: which of them a hook may want at a stage, and the message they make. Positions of recipients are those of the envelope that the
// stage was shown; added recipients follow behind them. Octets that no edit names stay as they were. Any thread.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "hooks/stage_table.h"

namespace veredus {

// Why this edit is refused; empty when it is legal.
std::string_view edit_problem(const Edit& edit, uint32_t may, const StageInfo& info);

// The message with all edits applied, in order, then one more for every group of recipients that was split off. A split-off message has what
// was changed before the split and no id yet. A message may be left without recipients: it is then discarded by its caller.
// `received_header`: the header block at the start of the received octets, its empty line included. Needed when they are in a file and
// an edit touches the header below its top; content in memory is looked at instead.
Result<std::vector<Message>> apply_edits(Message message, std::span<const Edit> edits, std::string_view received_header = {});

// Only what concerns the envelope, its notes included, for stages before the content.
void apply_envelope_edits(Envelope& envelope, std::span<const Edit> edits);

void take_auth_results(std::vector<AuthResult>& into, std::span<const Edit> edits);

// The one Authentication-Results field for these results, at the very top: above the Received field of the same host, by which a reader
// knows that it is ours (RFC 8601 4.1 and 7.1). Fields that claim the same authserv-id are removed first (RFC 8601 5), also when there
// is nothing to tell. For sets of hooks with kMayAuthResults, after `message` and before `seal`. `received_header` as above.
Status add_auth_results(Message& message, std::span<const AuthResult> results, std::string_view authserv_id,
                        std::string_view received_header = {});

}  // namespace veredus
