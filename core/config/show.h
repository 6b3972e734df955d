// What people and programs are told about settings: effective values, one setting explained, differences of
// two configurations, words for shell completion, the manual. All from the table. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/settings.h"

namespace veredus {

// Effective values with their origin; secrets hidden. json: one object a line.
std::string render_show(const Settings& settings, bool json);

// One setting, or all settings of a group such as `queue`. Errc::not_found with a suggestion.
Result<std::string> explain(std::string_view name);

struct SettingChange {
  std::string name;        // "queue.retry", "listeners[].address"
  bool reloadable = true;  // false: in force after a restart only
};
std::vector<SettingChange> diff_settings(const Settings& before, const Settings& after);

std::vector<std::string> completion_words();  // names of all settings

std::string settings_reference_man();  // the source of veredus.conf.5

}  // namespace veredus
