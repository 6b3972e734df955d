// Fragments meet their plugins: found, probed, settings checked; tables and accounts that settings name are there.
#include "plugin/prepare.h"

#include <algorithm>

#include "base/text.h"
#include "plugin/probe.h"

namespace veredus {

namespace {

constexpr std::string_view kTable = "svc.table/1", kDeliver = "svc.deliver/1";
constexpr std::string_view kLocal = "local";  // who delivers under this name serves local_domains

// "conf.d/00-core.yaml:3:5", as settings remember where they were given.
Place place_of(const std::string& text) {
  size_t column = text.rfind(':'), line = column == 0 ? text.npos : text.rfind(':', column - 1);
  if (column == text.npos || line == text.npos) return {text, 0, 0};
  auto number = [](std::string_view digits) { return static_cast<unsigned>(parse_uint(digits, 1'000'000'000).value_or(0)); };
  return {text.substr(0, line), number(std::string_view(text).substr(line + 1, column - line - 1)), number(std::string_view(text).substr(column + 1))};
}

class Preparation {
 public:
  Preparation(const LoadedConfig& config, const Catalogue& catalogue) : config_(config), catalogue_(catalogue) {}

  PreparedResult run();

 private:
  void add(const PluginFragment& fragment);
  bool good_isolation(const PluginFragment& fragment);
  void check_tables(const PreparedPlugin& plugin);
  void check_core();
  SettingsPtr settings_with_plugins() const;
  void check_named(const std::string& setting, std::string_view service, const std::string& name);
  size_t providers_named(std::string_view service, const std::string& name) const;
  std::vector<std::string> names_of(std::string_view service) const;

  const LoadedConfig& config_;
  const Catalogue& catalogue_;
  Problems problems_;
  std::vector<PreparedPlugin> plugins_;
};

// Unconfined is all there is, and nobody shall believe otherwise.
bool Preparation::good_isolation(const PluginFragment& fragment) {
  if (fragment.isolation.empty() || fragment.isolation == "none") return true;
  std::string text = fragment.isolation == "process" ? "plugins cannot run in a process of their own yet; remove the line or write 'none'"
                                                     : in_quotes(fragment.isolation) + " is not an isolation; 'none' is the only one so far";
  problems_.error(fragment.place, "isolation: " + text);
  return false;
}

void Preparation::add(const PluginFragment& fragment) {
  bool good = good_isolation(fragment);
  auto path = catalogue_.find(fragment.name);
  if (!path) return problems_.error(fragment.place, "unknown plugin " + in_quotes(fragment.name) + did_you_mean(fragment.name, catalogue_.names()));
  auto probed = probe_once(*path);
  if (!probed) return problems_.error(fragment.place, "plugin " + in_quotes(fragment.name) + ": " + probed.error().text);
  for (const std::string& finding : probed->findings)
    problems_.warning(fragment.place, "plugin " + in_quotes(fragment.name) + ": " + *path + " " + finding);
  PreparedPlugin out{fragment, *path, probed->identity, probed->manifest, nullptr, config_.settings->state + "/" + fragment.name};
  out.settings = read_plugin_settings(*out.manifest, fragment, out.state_dir, problems_);
  if (good && out.settings) plugins_.push_back(std::move(out));
}

// A table is named by the label of an instance, or by the plugin's name if it runs once. Likewise who knows accounts.
size_t Preparation::providers_named(std::string_view service, const std::string& name) const {
  auto of_instance = [&](const PreparedPlugin& p) { return p.manifest->provides(service) && p.fragment.instance == name; };
  auto of_name = [&](const PreparedPlugin& p) { return p.manifest->provides(service) && p.fragment.name == name; };
  auto found = std::count_if(plugins_.begin(), plugins_.end(), of_instance);
  if (found == 0) found = std::count_if(plugins_.begin(), plugins_.end(), of_name);
  return static_cast<size_t>(found);
}

std::vector<std::string> Preparation::names_of(std::string_view service) const {
  std::vector<std::string> out;
  for (const PreparedPlugin& plugin : plugins_)
    if (plugin.manifest->provides(service)) out.push_back(plugin.fragment.instance.empty() ? plugin.fragment.name : plugin.fragment.instance);
  return out;
}

void Preparation::check_tables(const PreparedPlugin& plugin) {
  for (const vrd_conf* node : tables_wanted(*plugin.manifest, *plugin.settings)) {
    size_t found = providers_named(kTable, node->text);
    if (found == 0)
      problems_.error(node->place, "there is no table " + in_quotes(node->text) + did_you_mean(node->text, names_of(kTable)) +
                                       "; a table is an instance of an enabled plugin that provides svc.table/1");
    else if (found > 1)
      problems_.error(node->place, "several instances are meant by " + in_quotes(node->text) + "; write the label of one");
  }
}

void Preparation::check_named(const std::string& setting, std::string_view service, const std::string& name) {
  if (name.empty()) return;
  size_t found = providers_named(service, name);
  auto origin = config_.settings->origins.find(setting);
  Place place = origin == config_.settings->origins.end() ? Place{} : place_of(origin->second);
  std::string what = service == kTable ? "there is no table " : "there are no accounts by the name of ";
  if (found == 0)
    problems_.error(place, setting + ": " + what + in_quotes(name) + did_you_mean(name, names_of(service)) +
                               "; it is an instance of an enabled plugin that provides " + std::string(service));
  else if (found > 1)
    problems_.error(place, setting + ": several instances are meant by " + in_quotes(name) + "; write the label of one");
}

// Plugins that settings of the core name.
void Preparation::check_core() {
  const Settings& core = *config_.settings;
  for (const std::string& name : core.auth.providers) check_named("auth.providers", "svc.auth/1", name);
  check_named("auth.sender_table", kTable, core.auth.sender_table);
  check_named("tls.certificate_table", kTable, core.tls.certificate_table);
  check_named("tls.policy_table", kTable, core.tls.policy_table);
  for (const auto& [name, credential] : core.credentials) check_named("credentials", kTable, credential.table);
}

// What enabled plugins make of the core's settings.
SettingsPtr Preparation::settings_with_plugins() const {
  bool local = providers_named(kDeliver, std::string(kLocal)) > 0;
  if (local == config_.settings->local_delivery) return config_.settings;
  auto out = std::make_shared<Settings>(*config_.settings);
  out->local_delivery = local;
  return out;
}

PreparedResult Preparation::run() {
  for (const PluginFragment& fragment : config_.plugins) add(fragment);
  if (!problems_.any_error())
    for (const PreparedPlugin& plugin : plugins_) check_tables(plugin);
  if (!problems_.any_error()) check_core();
  if (problems_.any_error()) return problems_.take_errors();
  PreparedConfig out{config_, {}};
  out.config.settings = settings_with_plugins();
  out.plugins = std::move(plugins_);
  for (ConfigWarning& warning : problems_.take_warnings()) out.config.warnings.push_back(std::move(warning));
  return out;
}

}  // namespace

std::string PreparedResult::error_text() const {
  std::string out;
  if (ok()) return out;
  for (const ConfigError& error : errors()) out += error.full() + "\n";
  return out;
}

LoadOptions options_with_plugins(const Catalogue& catalogue) {
  LoadOptions out;
  out.known_plugins = catalogue.names();
  return out;
}

PreparedResult prepare_plugins(const ConfigResult& config, const Catalogue& catalogue) {
  if (!config) return config.errors();
  return Preparation(config.value(), catalogue).run();
}

PreparedResult load_plugin_config(const std::string& directory, const Catalogue& catalogue) {
  return prepare_plugins(load_config(directory, options_with_plugins(catalogue)), catalogue);
}

}  // namespace veredus
