// What is known of plugins, printed. Questions about one plugin are answered also when the configuration has errors.
#include "main/plugin_commands.h"

#include <sysexits.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.h"
#include "base/units.h"
#include "config/show.h"
#include "hooks/stage_table.h"
#include "main/tls_options.h"
#include "plugin/fragments.h"
#include "plugin/manifest_text.h"
#include "plugin/prepare.h"
#include "plugin/probe.h"

namespace veredus {

namespace {

using OrderedJson = nlohmann::ordered_json;

int say(const std::string& text) { return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? EX_OK : EX_IOERR; }

int complain(const std::string& text, int code) {
  std::fprintf(stderr, "veredus: %s\n", text.c_str());
  return code;
}

int errors(const std::string& lines) {
  std::fputs(lines.c_str(), stderr);
  return EX_CONFIG;
}

std::string line_of(const OrderedJson& json) { return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n"; }

std::string padded(std::string text, size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

// One plugin of the list: of the catalogue, or named by a fragment.
struct Listed {
  std::string name, path, error;
  Manifest manifest;
  std::vector<FragmentFile> fragments;
};

Listed look_at(const std::string& name, const Catalogue& catalogue, const std::vector<FragmentFile>& files) {
  Listed out;
  out.name = name;
  for (const FragmentFile& file : files)
    if (!file.off && file.plugin == name) out.fragments.push_back(file);
  auto path = catalogue.find(name);
  if (!path) return out.error = "not found in " + joined(catalogue.directories(), ":"), out;
  out.path = *path;
  auto probed = probe_once(*path);
  if (probed) out.manifest = *probed->manifest;
  else out.error = probed.error().text;
  return out;
}

std::string list_text(const Listed& plugin) {
  std::string state;
  for (const FragmentFile& file : plugin.fragments)
    state += (state.empty() ? "" : ", ") + file.name + (file.instance.empty() ? "" : " (" + file.instance + ")");
  std::string out = padded(plugin.name, 18) + " " + padded(plugin.manifest.version, 8) + " " + padded(state.empty() ? "not enabled" : "enabled by " + state, 34);
  return out + " " + (plugin.error.empty() ? plugin.manifest.summary : "ERROR: " + plugin.error) + "\n";
}

OrderedJson list_json(const Listed& plugin) {
  OrderedJson out{{"id", plugin.name}, {"version", plugin.manifest.version}, {"summary", plugin.manifest.summary}, {"path", plugin.path},
                  {"enabled", !plugin.fragments.empty()}, {"fragments", OrderedJson::array()}};
  for (const FragmentFile& file : plugin.fragments) out["fragments"].push_back({{"file", file.path}, {"instance", file.instance}});
  if (!plugin.error.empty()) out["error"] = plugin.error;
  return out;
}

// A path, or a name of the catalogue.
Result<std::string> object_of(const std::string& word) {
  if (word.find('/') != std::string::npos || word.ends_with(".so")) return word;
  Catalogue catalogue = Catalogue::standard();
  if (auto path = catalogue.find(word)) return *path;
  return fail(Errc::not_found, "there is no plugin " + in_quotes(word) + " in " + joined(catalogue.directories(), ":") + did_you_mean(word, catalogue.names()));
}

struct OrderedHook {
  const PreparedPlugin* plugin;
  const ManifestHook* hook;
};

std::vector<OrderedHook> hooks_at(Stage stage, const std::vector<PreparedPlugin>& plugins) {
  std::vector<OrderedHook> out;
  for (const PreparedPlugin& plugin : plugins)
    for (const ManifestHook& hook : plugin.manifest->hooks)
      if (hook.stage == static_cast<uint32_t>(stage)) out.push_back({&plugin, &hook});
  std::stable_sort(out.begin(), out.end(), [](const OrderedHook& a, const OrderedHook& b) {
    return std::pair(a.plugin->fragment.order, a.hook->order) < std::pair(b.plugin->fragment.order, b.hook->order);
  });
  return out;
}

std::string on_fault_of(const OrderedHook& h) {
  return h.plugin->fragment.on_fault.empty() ? std::string(fault_policy_text(h.hook->on_fault)) : h.plugin->fragment.on_fault;
}

std::string order_head(const StageInfo& stage) {
  std::vector<std::string> actions;
  for (size_t i = 0; i < kActionCount; ++i)
    if (stage.allows(static_cast<Action>(i))) actions.emplace_back(action_text(static_cast<Action>(i)));
  return std::string(stage.name) + (stage.kind == StageKind::told ? "  (told afterwards)\n" : "  (answers: " + joined(actions) + ")\n");
}

std::string order_text(const OrderedHook& h) {
  std::string out = "  " + padded(h.plugin->fragment.file, 34) + " " + padded(h.plugin->label(), 18) + " order " + std::to_string(h.hook->order);
  if (h.hook->may != 0) out += ", may change " + joined(rights_words(h.hook->may));
  out += ", on_fault " + on_fault_of(h);
  if (h.plugin->fragment.timeout.count() > 0) out += ", timeout " + format_duration(h.plugin->fragment.timeout);
  return out + "\n";
}

OrderedJson order_json(const StageInfo& stage, const OrderedHook& h, size_t position) {
  return OrderedJson{{"stage", stage.name}, {"position", position}, {"plugin", h.plugin->label()}, {"fragment", h.plugin->fragment.file},
                     {"order", h.hook->order}, {"may", rights_words(h.hook->may)}, {"on_fault", on_fault_of(h)}};
}

// Every value of a plugin's settings, as `config show` prints those of the core.
std::string show_settings(const PreparedPlugin& plugin, bool json) {
  std::string out;
  OrderedJson values = show_plugin_settings(*plugin.manifest, *plugin.settings);
  for (const auto& [key, value] : values.items()) {
    const vrd_conf* node = plugin.settings->find(key);
    std::string origin = node && plugin.fragment.settings.find(key) ? node->where : "default";
    std::string name = plugin.label() + "." + key;
    if (json) out += line_of({{"setting", name}, {"value", value}, {"origin", origin}});
    else out += padded(name + ": " + (value.is_null() ? "unset" : value.is_string() ? value.get<std::string>() : value.dump()), 48) + "  # " + origin + "\n";
  }
  return out;
}

}  // namespace

int plugin_list(const PluginInvocation& call) {
  if (!call.arguments.empty()) return complain("usage: veredus plugin list", EX_USAGE);
  Catalogue catalogue = Catalogue::standard();
  auto files = read_fragment_files(call.conf);
  if (!files) complain(files.error().text, EX_OK);
  std::set<std::string> names;
  for (std::string& name : catalogue.names()) names.insert(std::move(name));
  if (files)
    for (const FragmentFile& file : *files)
      if (!file.off && !file.plugin.empty()) names.insert(file.plugin);
  std::string out;
  for (const std::string& name : names) {
    Listed plugin = look_at(name, catalogue, files ? *files : std::vector<FragmentFile>());
    out += call.json ? line_of(list_json(plugin)) : list_text(plugin);
  }
  return say(out);
}

int plugin_show(const PluginInvocation& call) {
  if (call.arguments.size() != 1) return complain("usage: veredus plugin show FILE|NAME", EX_USAGE);
  auto path = object_of(call.arguments[0]);
  if (!path) return complain(path.error().text, EX_USAGE);
  auto manifest = probe_plugin(*path);
  if (!manifest) return complain(manifest.error().text, EX_DATAERR);
  return say(call.json ? line_of(manifest_words(*manifest, *path)) : manifest_text(*manifest, *path));
}

int plugin_lint(const PluginInvocation& call) {
  if (call.arguments.size() != 1) return complain("usage: veredus plugin lint FILE", EX_USAGE);
  auto path = object_of(call.arguments[0]);
  if (!path) return complain(path.error().text, EX_USAGE);
  std::vector<std::string> found;
  auto symbols = lint_symbols(*path);
  if (symbols)
    for (const std::string& finding : *symbols) found.push_back(*path + ": " + finding);
  else found.push_back(symbols.error().text);
  if (symbols)
    if (auto manifest = probe_plugin(*path); !manifest) found.push_back(manifest.error().text);
  std::string out;
  for (const std::string& finding : found) out += call.json ? line_of({{"file", *path}, {"finding", finding}}) : finding + "\n";
  if (found.empty() && !call.json) out = *path + ": good\n";
  say(out);
  return found.empty() ? EX_OK : EX_DATAERR;
}

int plugin_order(const PluginInvocation& call) {
  if (!call.arguments.empty()) return complain("usage: veredus plugin order", EX_USAGE);
  auto prepared = load_plugin_config(call.conf, Catalogue::standard());
  if (!prepared) return errors(prepared.error_text());
  std::string out;
  for (const StageInfo& stage : stages()) {
    auto hooks = hooks_at(stage.stage, prepared.value().plugins);
    if (!hooks.empty() && !call.json) out += order_head(stage);
    for (size_t i = 0; i < hooks.size(); ++i) out += call.json ? line_of(order_json(stage, hooks[i], i + 1)) : order_text(hooks[i]);
  }
  if (out.empty() && !call.json) out = "no plugin with hooks is enabled\n";
  return say(out);
}

int config_check(const PluginInvocation& call) {
  auto prepared = load_plugin_config(call.conf, Catalogue::standard());
  if (!prepared) return errors(prepared.error_text());
  for (const ConfigWarning& warning : prepared.value().config.warnings) say("warning: " + warning.full() + "\n");
  RealClock clock;
  auto warn = [](bool, std::string text) { say("warning: " + text + "\n"); };
  auto certificates = TlsServer::make(tls_server_options(*prepared.value().config.settings), nullptr, warn, clock);
  if (!certificates) return errors(certificates.error().text + "\n");
  return say("the configuration is good\n");
}

int config_show(const PluginInvocation& call) {
  auto prepared = load_plugin_config(call.conf, Catalogue::standard());
  if (!prepared) return errors(prepared.error_text());
  std::string out = render_show(*prepared.value().config.settings, call.json);
  for (const PreparedPlugin& plugin : prepared.value().plugins) out += show_settings(plugin, call.json);
  return say(out);
}

// SETTING of the core, or PLUGIN.SETTING; the id of a plugin may have dots itself.
int config_explain(const PluginInvocation& call) {
  if (call.arguments.size() != 1) return complain("usage: veredus config explain SETTING", EX_USAGE);
  const std::string& word = call.arguments[0];
  auto text = explain(word);
  if (text) return say(*text);
  Catalogue catalogue = Catalogue::standard();
  for (size_t dot = word.size(); dot != std::string::npos && dot > 0; dot = word.rfind('.', dot - 1)) {
    std::string name = word.substr(0, dot), key = dot == word.size() ? "" : word.substr(dot + 1);
    auto path = catalogue.find(name);
    if (!path) continue;
    auto probed = probe_once(*path);
    if (!probed) return complain(probed.error().text, EX_DATAERR);
    std::string found = explain_plugin_setting(*probed->manifest, key);
    if (!found.empty()) return say(found);
    return complain("plugin " + in_quotes(name) + " has no setting " + in_quotes(key) + did_you_mean(key, setting_keys(*probed->manifest)), EX_USAGE);
  }
  std::fprintf(stderr, "%s\n", text.error().text.c_str());
  return EX_USAGE;
}

std::vector<CataloguedCommand> catalogued_commands() {
  Catalogue catalogue = Catalogue::standard();
  std::vector<CataloguedCommand> out;
  for (const std::string& name : catalogue.names()) {
    auto path = catalogue.find(name);
    auto probed = path ? probe_once(*path) : Result<ProbedPlugin>(fail(Errc::not_found, ""));
    if (!probed) continue;  // `plugin list` says what is wrong with it
    for (const ManifestCommand& command : probed->manifest->commands) out.push_back({name, *path, command});
  }
  return out;
}

std::optional<CataloguedCommand> find_catalogued_command(const std::vector<std::string>& words) {
  std::optional<CataloguedCommand> best;
  size_t longest = 0;
  for (CataloguedCommand& candidate : catalogued_commands()) {
    auto name = split(candidate.command.name, ' ');
    if (name.size() <= longest || name.size() > words.size() || !std::equal(name.begin(), name.end(), words.begin())) continue;
    longest = name.size();
    best = std::move(candidate);
  }
  return best;
}

}  // namespace veredus
