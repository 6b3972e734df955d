// Preparing: a configuration with plugins becomes settings and a list of checked plugins, or every error with its place. No code of a
// plugin runs in this process: objects are described by the probe. Blocks (files, child processes); any thread.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "config/load.h"
#include "plugin/catalogue.h"
#include "plugin/object.h"
#include "plugin/schema.h"

namespace veredus {

struct PreparedPlugin {
  PluginFragment fragment;
  std::string path;       // of the object
  FileIdentity identity;  // as it was probed
  std::shared_ptr<const Manifest> manifest;
  SettingsTree settings;
  std::string state_dir;  // STATE/NAME, not yet made
  std::string label() const { return fragment.instance.empty() ? fragment.name : fragment.name + "/" + fragment.instance; }
};

struct PreparedConfig {
  LoadedConfig config;
  std::vector<PreparedPlugin> plugins;  // in the order of the files
};

class PreparedResult {
 public:
  PreparedResult(PreparedConfig config) : state_(std::move(config)) {}
  PreparedResult(std::vector<ConfigError> errors) : state_(std::move(errors)) {}
  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  const PreparedConfig& value() const { return std::get<0>(state_); }
  const std::vector<ConfigError>& errors() const { return std::get<1>(state_); }
  std::string error_text() const;  // one error a line

 private:
  std::variant<PreparedConfig, std::vector<ConfigError>> state_;
};

// Options with the catalogue's plugins known: for programs that need the core's settings only.
LoadOptions options_with_plugins(const Catalogue& catalogue);

PreparedResult load_plugin_config(const std::string& directory, const Catalogue& catalogue);
PreparedResult prepare_plugins(const ConfigResult& config, const Catalogue& catalogue);

}  // namespace veredus
