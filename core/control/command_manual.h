// The reference of the daemon's commands as roff text, made from the table of commands. Values; any thread.
#pragma once

#include <string>

namespace veredus {

std::string command_manual();  // one .TP entry a command, in the order of the table

}  // namespace veredus
