// Loading: a directory of fragments becomes one immutable Settings, or a list of all its errors. Any thread;
// reads files.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "config/node.h"
#include "config/problems.h"
#include "config/settings.h"

namespace veredus {

// An enabled plugin's fragment, for the plugin host: reserved keys read, the plugin's own settings as they
// stand.
struct PluginFragment {
  std::string file;    // "conf.d/30-dkim.yaml"
  unsigned order = 0;  // the file's number
  std::string name;
  std::string instance;  // empty = the only one
  std::string isolation;
  std::string on_fault;  // tempfail, next, reject; empty = the plugin's default
  Millis timeout{};      // 0 = the plugin's default
  Place place;           // of the name
  ConfigNode settings;   // a map without the reserved keys
};

struct LoadedConfig {
  SettingsPtr settings;
  std::vector<PluginFragment> plugins;  // in the order of the files
  std::vector<ConfigWarning> warnings;
};

// What the system says about itself; tests give their own.
struct SystemNames {
  std::string hostname;  // gethostname()
  std::string mailname;  // first line of /etc/mailname
};
SystemNames read_system_names();

struct LoadOptions {
  LoadOptions() : system(read_system_names()) {}
  explicit LoadOptions(SystemNames names) : system(std::move(names)) {}
  SystemNames system;
  std::vector<std::string> known_plugins;  // a fragment for any other is an error
};

class ConfigResult {
 public:
  ConfigResult(LoadedConfig config) : state_(std::move(config)) {}
  ConfigResult(std::vector<ConfigError> errors) : state_(std::move(errors)) {}
  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  const LoadedConfig& value() const { return std::get<0>(state_); }
  const std::vector<ConfigError>& errors() const { return std::get<1>(state_); }
  std::string error_text() const;  // one error a line

 private:
  std::variant<LoadedConfig, std::vector<ConfigError>> state_;
};

struct ConfigFile {
  std::string path;  // as errors show it
  std::string text;
};

ConfigResult load_config(const std::string& directory, const LoadOptions& options = LoadOptions());
// Where the daemon's control socket is said to be, even in a configuration with errors elsewhere; the default if it says nothing.
std::string find_control_path(const std::string& directory);
// The same from memory: the files in name order. For tests, fuzzing and defaults that a program carries.
ConfigResult parse_config(const std::vector<ConfigFile>& files, const LoadOptions& options);

}  // namespace veredus
