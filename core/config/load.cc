// From files to Settings: which files count, what a file may hold, plugins' fragments.
#include "config/load.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/read_stream.h"
#include "base/text.h"
#include "config/bind.h"
#include "config/core_reader.h"
#include "config/find_setting.h"
#include "config/yaml.h"

namespace veredus {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFaultPolicies[] = {"tempfail", "next", "reject"};

// What stands beside a plugin's own settings.
constexpr Setting kReserved[] = {
    {.name = "plugin",
     .type = Type::name,
     .member = bind::at<&PluginFragment::name>(),
     .doc = "The plugin's name."},
    {.name = "instance",
     .type = Type::name,
     .member = bind::at<&PluginFragment::instance>(),
     .doc = "A label, when a plugin runs more than once."},
    {.name = "isolation",
     .type = Type::name,
     .member = bind::at<&PluginFragment::isolation>(),
     .doc = "How the plugin is kept apart from the core."},
    {.name = "on_fault",
     .type = Type::choice,
     .member = bind::at<&PluginFragment::on_fault>(),
     .choices = kFaultPolicies,
     .doc = "What happens to mail when the plugin fails."},
    {.name = "timeout",
     .type = Type::duration,
     .member = bind::at<&PluginFragment::timeout>(),
     .low = "1ms",
     .high = "10m",
     .doc = "How long a hook of the plugin may stay suspended."},
};

const Setting* reserved(std::string_view key) {
  auto found = std::find_if(std::begin(kReserved), std::end(kReserved),
                            [key](const Setting& s) { return s.name == key; });
  return found == std::end(kReserved) ? nullptr : found;
}

std::string base_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// "NN-name.yaml"
bool is_fragment(std::string_view name) {
  if (name.size() < 9 || !is_digit(name[0]) || !is_digit(name[1]) || name[2] != '-' ||
      !name.ends_with(".yaml"))
    return false;
  return is_name(name.substr(3, name.size() - 8));
}

// A name that was probably meant to be read.
bool is_near_miss(std::string_view name) {
  return !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml"));
}

// One load: the draft, and what is known of files already read.
class Loader {
 public:
  explicit Loader(const LoadOptions& options) : options_(options), core_(draft_, problems_) {
    for (const Setting& setting : core_settings()) store_default(setting, &draft_.settings);
  }
  Problems& problems() { return problems_; }
  void read_file(const ConfigFile& file);
  ConfigResult finish();

 private:
  void read_core_file(const ConfigNode& root);
  void read_plugin_file(const ConfigNode& root, const std::string& path);
  void check_plugin(const PluginFragment& plugin);

  const LoadOptions& options_;
  Draft draft_;
  Problems problems_;
  CoreReader core_;
  std::vector<PluginFragment> plugins_;
};

void Loader::read_file(const ConfigFile& file) {
  auto root = read_yaml(file.text, file.path, problems_);
  if (!root) return;
  if (root->kind == ConfigNode::Kind::null) return problems_.warning({file.path}, "holds no settings");
  if (root->kind != ConfigNode::Kind::map)
    return problems_.error(root->place, "expected a mapping that holds 'core:' or begins with 'plugin:'");
  if (!root->entries.empty() && root->entries.front().key == "plugin")
    read_plugin_file(*root, file.path);
  else
    read_core_file(*root);
}

void Loader::read_core_file(const ConfigNode& root) {
  static const std::vector<std::string> kTop = {"core", "plugin"};
  for (const ConfigEntry& entry : root.entries) {
    bool of_core = entry.key != "core" && (find_core_setting(entry.key) || is_core_group(entry.key));
    if (entry.key == "core")
      core_.read(entry);
    else if (entry.key == "plugin")
      problems_.error(entry.place, "'plugin' must be the first key of its file");
    else if (of_core)
      problems_.error(entry.place, "setting " + in_quotes(entry.key) + " belongs under 'core:'");
    else
      problems_.error(entry.place, "unknown key " + in_quotes(entry.key) +
                                       "; a file holds 'core:' or begins with 'plugin:'" +
                                       did_you_mean(entry.key, kTop));
  }
}

void Loader::read_plugin_file(const ConfigNode& root, const std::string& path) {
  PluginFragment plugin;
  plugin.file = path;
  std::string number = base_name(path).substr(0, 2);
  plugin.order = static_cast<unsigned>(parse_uint(number).value_or(0));
  plugin.place = root.entries.front().value.place;
  plugin.settings.kind = ConfigNode::Kind::map;
  plugin.settings.place = root.place;
  bool good = true;
  for (const ConfigEntry& entry : root.entries) {
    const Setting* setting = reserved(entry.key);
    ReadContext context{problems_, nullptr, entry.key};
    if (setting)
      good &= store_setting(*setting, entry.value, context, &plugin);
    else
      plugin.settings.entries.push_back(entry);
  }
  if (!good) return;
  check_plugin(plugin);
  plugins_.push_back(std::move(plugin));
}

void Loader::check_plugin(const PluginFragment& plugin) {
  const auto& known = options_.known_plugins;
  if (std::find(known.begin(), known.end(), plugin.name) == known.end())
    problems_.error(plugin.place,
                    "unknown plugin " + in_quotes(plugin.name) + did_you_mean(plugin.name, known));
  for (const PluginFragment& other : plugins_)
    if (other.name == plugin.name && other.instance == plugin.instance)
      problems_.error(plugin.place, "plugin " + in_quotes(plugin.name) +
                                        " is enabled twice; the first is at " + other.place.text() +
                                        " (give each an 'instance')");
}

ConfigResult Loader::finish() {
  resolve_defaults(draft_, options_.system, problems_);
  check_settings(draft_, problems_);
  if (problems_.any_error()) return problems_.take_errors();
  LoadedConfig out;
  out.settings = std::make_shared<const Settings>(std::move(draft_.settings));
  out.plugins = std::move(plugins_);
  out.warnings = problems_.take_warnings();
  return out;
}

// Names of the entries, sorted; an error when the directory cannot be read.
std::vector<std::string> list_directory(const std::string& directory, Problems& problems) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error))
    names.push_back(at->path().filename().string());
  bool missing = error == std::errc::no_such_file_or_directory;
  if (error)
    problems.error({directory}, "cannot be read: " + error.message() +
                                    (missing ? " (--conf or VEREDUS_CONF names another directory)" : ""));
  std::sort(names.begin(), names.end());
  return names;
}

// Reads a regular file, at most one octet more than is allowed.
std::optional<std::string> read_text(const std::string& path, Problems& problems) {
  std::error_code error;
  bool regular = fs::is_regular_file(path, error);
  std::ifstream in;
  if (regular) in.open(path, std::ios::binary);
  if (!regular || !in) {
    std::string reason = error ? error.message() : regular ? std::strerror(errno) : "not a regular file";
    problems.error({path}, "cannot be read: " + reason);
    return std::nullopt;
  }
  return read_at_most(in, kMaxConfigFile + 1);
}

std::string without_trailing_slashes(std::string directory) {
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  return directory;
}

}  // namespace

SystemNames read_system_names() {
  SystemNames out;
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) == 0) out.hostname = name;
  std::ifstream in("/etc/mailname");
  std::getline(in, out.mailname);
  return out;
}

std::string ConfigResult::error_text() const {
  std::string out;
  if (ok()) return out;
  for (const ConfigError& error : errors()) out += error.full() + "\n";
  return out;
}

ConfigResult parse_config(const std::vector<ConfigFile>& files, const LoadOptions& options) {
  Loader loader(options);
  for (const ConfigFile& file : files) loader.read_file(file);
  return loader.finish();
}

WrittenCore::WrittenCore(const std::string& directory) {
  Problems ignored;
  std::string prefix = without_trailing_slashes(directory);
  for (const std::string& file : list_directory(prefix, ignored)) {
    if (!is_fragment(file)) continue;
    auto text = read_text(prefix + "/" + file, ignored);
    auto tree = text ? read_yaml(*text, file, ignored) : std::nullopt;
    if (const ConfigEntry* core = tree ? tree->find("core") : nullptr) parts_.push_back(core->value);
  }
}

std::string WrittenCore::text(std::string_view name, std::string_view inner) const {
  for (const ConfigNode& part : parts_) {
    const ConfigEntry* found = part.find(name);
    if (found && !inner.empty()) found = found->value.find(inner);
    if (found && !found->value.text.empty()) return found->value.text;
  }
  return {};
}

std::string find_control_path(const std::string& directory) {
  std::string written = WrittenCore(directory).text("control");
  return written.starts_with('/') ? written : default_settings().control;
}

ConfigResult load_config(const std::string& directory, const LoadOptions& options) {
  Loader loader(options);
  std::string prefix = without_trailing_slashes(directory);
  size_t read = 0;
  for (const std::string& name : list_directory(prefix, loader.problems())) {
    std::string path = prefix + (prefix == "/" ? "" : "/") + name;
    if (!is_fragment(name)) {
      if (is_near_miss(name))
        loader.problems().warning({path}, "is not read: only files named NN-name.yaml are");
      continue;
    }
    auto text = read_text(path, loader.problems());
    if (text) loader.read_file({path, std::move(*text)});
    ++read;
  }
  if (read == 0 && !loader.problems().any_error())
    loader.problems().warning({prefix}, "holds no file named NN-name.yaml: every setting has its default");
  return loader.finish();
}

}  // namespace veredus
