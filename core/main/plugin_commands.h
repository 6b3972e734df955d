// `veredus plugin ...`, `enable`, `disable`, and what `config` says of plugins: work on files and on what the probe says; no daemon, no
// plugin runs. Blocking; one thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plugin/manifest.h"

namespace veredus {

struct PluginInvocation {
  std::string conf;
  bool json = false;
  std::vector<std::string> arguments;
};

int plugin_list(const PluginInvocation& call);  // exit codes of sysexits.h
int plugin_show(const PluginInvocation& call);
int plugin_lint(const PluginInvocation& call);
int plugin_order(const PluginInvocation& call);
int plugin_new(const PluginInvocation& call);
int plugin_enable(const PluginInvocation& call);
int plugin_disable(const PluginInvocation& call);

int config_check(const PluginInvocation& call);
int config_show(const PluginInvocation& call);
int config_explain(const PluginInvocation& call);

// A command that a plugin of the catalogue has.
struct CataloguedCommand {
  std::string plugin, path;
  ManifestCommand command;
};
std::vector<CataloguedCommand> catalogued_commands();  // probes every plugin
std::optional<CataloguedCommand> find_catalogued_command(const std::vector<std::string>& words);

}  // namespace veredus
