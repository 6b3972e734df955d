// What a submission listener mends in a message (RFC 6409 8), and whose it says it is. Values; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hooks/hooks.h"

namespace veredus {

// Date, From and Message-ID where they are missing, no Bcc. `wanted`: edits of the header that are made before these.
Result<std::vector<Edit>> submission_edits(std::string_view header, const Envelope& envelope, std::string_view hostname, std::span<const Edit> wanted);
// The addresses in From; an error when the field is missing, malformed or there are two.
Result<std::vector<std::string>> from_addresses(std::string_view header);

}  // namespace veredus
