// The plugin's settings: a fragment in YAML checked against the schema of the description, as veredus/plugin.h says, and read through
// core.conf/1. Values; any thread.
#pragma once

#include <veredus/conf.h>
#include <veredus/plugin.h>
#include <yaml-cpp/yaml.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

// The ABI's opaque types.
struct vrd_conf {
  enum class Kind : uint8_t { scalar, list, map };
  Kind kind = Kind::scalar;
  std::string text, where;
  int64_t number = 0;
  std::vector<std::pair<std::string, std::unique_ptr<vrd_conf>>> entries;  // list: empty keys
  std::map<std::string, std::unique_ptr<vrd_conf>> defaults;                // of what was not given
  std::set<std::string> keys;                                                // of the schema; a map without has free keys
};

struct vrd_err {
  std::string text;
};

namespace veredus::ptest {

struct SettingsPlace {
  std::string file;       // named in messages
  std::string state_dir;  // where relative paths begin
};

Result<std::unique_ptr<vrd_conf>> check_settings(const vrd_setting* const* schema, const YAML::Node& fragment, const SettingsPlace& place);

// Why one row of a schema is malformed; empty when it is not.
std::string setting_problem(const vrd_setting& setting);

const vrd_core_conf_1* conf_table();

}  // namespace veredus::ptest
