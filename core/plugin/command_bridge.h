// Commands of plugins as the daemon's control server carries them out. [main]
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/command.h"
#include "plugin/plugin_host.h"

namespace veredus {

// Nothing when the words begin with no command of a plugin in force. `output` must live until the task has ended.
std::optional<Task<int>> plugin_command(PluginHost& host, std::vector<std::string> words, Output& output);
// Asks svc.auth/1.
Task<AuthTest> ask_password(PluginHost& host, std::string plugin, std::string account, std::string password);

}  // namespace veredus
