// Edits that hooks want, applied in order to an envelope or a whole message. Octets that no edit names stay
// as they were. Pure; any thread.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "hooks/hooks.h"
#include "mail/envelope.h"

namespace veredus {

// Recipients, sender, route, fields; edits of other kinds are left alone. An index out of range changes
// nothing.
void apply_envelope_edits(Envelope& envelope, const std::vector<Edit>& edits);

// All of them. `received_header` is the header block as it was received, with its empty line; the octets of
// `message.content` are its head followed by the received message from `skip` on. At the stage `seal` only
// fields at the top may be inserted.
Status apply_edits(Message& message, std::string_view received_header, const std::vector<Edit>& edits,
                   bool only_prepend);

}  // namespace veredus
