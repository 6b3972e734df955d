// A recipient that was refused although its message was accepted: mail of a user of this host, who is told by a
// report and not by the program that handed it in. The refusal stands where the next hop would. Values; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "smtp/reply.h"

namespace veredus {

std::string refused_hop(const Reply& refusal);  // "refused:550 5.1.1 No such user"
std::optional<Reply> refusal_of_hop(std::string_view next_hop);

}  // namespace veredus
