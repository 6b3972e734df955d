// Numbers of plugins for people and programs. Values; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "plugin/plugin_stats.h"

namespace veredus {

// Of all plugins, or of the instances that `name` names: a label, or a plugin's id.
Result<std::string> plugin_stats_text(const std::vector<PluginStats>& stats, const std::string& name, bool json);

}  // namespace veredus
