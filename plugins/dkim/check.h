// What `veredus check dkim` and `veredus sign dkim` read and print. Values; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mailauth/base/message_input.h"
#include "mailauth/dkim/sign.h"
#include "mailauth/dkim/verify.h"

namespace mail_dkim {

// One line a signature from the top, its result first; then lines NAME: TEXT. "none" without signatures.
std::string check_text(const std::vector<mailauth::DkimResult>& results);
std::string check_json(const std::vector<mailauth::DkimResult>& results);

// h= as a user gives it, "from:to:subject": exactly these, and From.
void cover(mailauth::SignOptions& options, std::string_view names, const mailauth::HeaderBlock& block);

// The field and the message below it, in the line ends that the message has.
std::string with_field(const mailauth::MessageInput& message, std::string_view input, const mailauth::NewField& field);

}  // namespace mail_dkim
