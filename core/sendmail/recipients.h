// Who gets a message: from arguments, and with -t from its header. Values, no I/O.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace veredus {

struct RecipientRules {
  bool extract = false;   // -t
  bool subtract = false;  // -t: those among the arguments get nothing
};

// In order, each once. Errc::invalid: an address or a field cannot be read (65). An empty list: there are none.
Result<std::vector<std::string>> find_recipients(const std::vector<std::string>& arguments, std::string_view header, const RecipientRules& rules);
// An address as -f takes it: '' and <> are the null sender, a name and comments may stand beside it.
Result<std::string> read_sender(std::string_view text);
// A header block without Bcc and Resent-Bcc.
std::string without_bcc(std::string_view header);

constexpr size_t kMostRecipients = 10'000;

}  // namespace veredus
