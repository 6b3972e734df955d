// `veredus migrate postfix DIR [--to DIR]`: reads, writes, checks, tells. Blocking; one thread.
#pragma once

#include <string>
#include <vector>

namespace veredus {

// Exit codes of sysexits.h.
int migrate_postfix_command(std::vector<std::string> arguments);

}  // namespace veredus
