// Settings of plugins: the schema in a manifest, a fragment's settings checked against it, and the tree that the plugin reads through
// core.conf. Trees are immutable once made; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"
#include "plugin/manifest.h"

// One node of a plugin's checked settings; the C type of <veredus/types.h>.
struct vrd_conf {
  enum class Kind : uint8_t { scalar, list, map };
  Kind kind = Kind::map;
  bool secret = false;
  std::string text;             // scalar
  int64_t number = 0;           // scalar
  veredus::Place place;         // of a default: of the fragment
  std::string where;            // its text: "conf.d/30-greylist.yaml:7:3"
  std::vector<vrd_conf> items;  // of a list, or the values of a mapping
  std::vector<std::string> keys;  // of a mapping, one an item; settings that are unset are left out

  const vrd_conf* find(std::string_view key) const;  // null: unset
};

namespace veredus {

using SettingsTree = std::shared_ptr<const vrd_conf>;

// What is wrong with the schema itself: keys, types, flags, bounds, defaults.
void check_schema(const Manifest& manifest, std::vector<std::string>& problems);

// The tree of a fragment, defaults filled in; null when a problem was reported. Relative paths are below `state_dir`.
SettingsTree read_plugin_settings(const Manifest& manifest, const PluginFragment& fragment, const std::string& state_dir, Problems& problems);

// Where there is no fragment: the defaults; what is required is unset.
SettingsTree default_settings_tree(const Manifest& manifest, const std::string& state_dir);

// Names of tables that the settings ask for, as nodes of the tree.
std::vector<const vrd_conf*> tables_wanted(const Manifest& manifest, const vrd_conf& tree);

// Effective values, secrets hidden; unset ones are null.
nlohmann::ordered_json show_plugin_settings(const Manifest& manifest, const vrd_conf& tree);

// A setting for people, or all below a group "rules"; all settings for "", and "" when there is none of that name.
std::string explain_plugin_setting(const Manifest& manifest, std::string_view key);
std::string setting_hint(const Manifest& manifest, std::string_view key);  // "a list, each a duration, 1s to 1d"
std::vector<std::string> setting_keys(const Manifest& manifest);

}  // namespace veredus
