// The same facts twice: as indented text and as one JSON object.
#include "plugin/manifest_text.h"

#include <veredus/plugin.h>

#include <nlohmann/json.hpp>

#include "plugin/schema.h"

namespace veredus {

namespace {

using OrderedJson = nlohmann::ordered_json;

std::string hook_text(const ManifestHook& hook) {
  std::string out = "  " + stage_text(hook.stage);
  if (!hook.known) return out + ": left out, this host has no such stage\n";
  out += ": order " + std::to_string(hook.order) + ", on_fault " + std::string(fault_policy_text(hook.on_fault));
  if (hook.may != 0) out += ", may change " + joined(rights_words(hook.may));
  if (hook.needs & VRD_NEED_CONTENT) out += ", needs the content";
  if (hook.needs & VRD_NEED_RECEIVED) out += ", as it came";
  return out + "\n";
}

std::string command_text(const ManifestCommand& command) {
  std::string out = "  veredus " + command.name + (command.args.empty() ? "" : " ") + command.args + "\n      " + command.doc;
  return out + (command.offline() ? " Needs no daemon.\n" : "\n");
}

std::string setting_text(const Manifest& manifest, const ManifestSetting& setting) {
  std::string out = "  " + setting.key + ": " + setting_hint(manifest, setting.key);
  if (setting.has(VRD_SETTING_REQUIRED)) out += "; must be given";
  if (setting.fallback) out += "; default " + *setting.fallback;
  if (setting.has(VRD_SETTING_SECRET)) out += "; secret";
  if (setting.has(VRD_SETTING_RESTART)) out += "; in force after a restart";
  return out + "\n      " + setting.doc + "\n";
}

OrderedJson setting_words(const Manifest& manifest, const ManifestSetting& s) {
  OrderedJson out{{"key", s.key}, {"type", setting_type_text(s.type)}, {"list", s.has(VRD_SETTING_LIST)}, {"required", s.has(VRD_SETTING_REQUIRED)},
                  {"secret", s.has(VRD_SETTING_SECRET)}, {"restart", s.has(VRD_SETTING_RESTART)}};
  out["default"] = s.fallback ? OrderedJson(*s.fallback) : OrderedJson();
  out["bounds"] = s.bounds.empty() ? OrderedJson() : OrderedJson(s.bounds);
  out["expects"] = setting_hint(manifest, s.key);
  out["doc"] = s.doc;
  return out;
}

OrderedJson hook_words(const ManifestHook& h) {
  return OrderedJson{{"stage", stage_text(h.stage)}, {"order", h.order}, {"may", rights_words(h.may)}, {"content", (h.needs & VRD_NEED_CONTENT) != 0},
                     {"on_fault", fault_policy_text(h.on_fault)}, {"known", h.known}};
}

template <typename T, typename Print>
std::string section(const char* title, const std::vector<T>& entries, Print print) {
  std::string out;
  for (const T& entry : entries) out += print(entry);
  return entries.empty() ? "" : std::string(title) + ":\n" + out;
}

}  // namespace

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

std::string manifest_text(const Manifest& m, const std::string& path) {
  std::string out = m.id + " " + m.version + "\n  " + m.summary + "\n";
  out += "  file: " + path + "\n  license: " + m.license + "\n  ABI: " + abi_text(m.abi) + "\n  threading: " + std::string(threading_text(m.threading)) + "\n";
  out += section("hooks", m.hooks, hook_text);
  out += section("services", m.services, [](const std::string& service) { return "  " + service + "\n"; });
  out += section("commands", m.commands, command_text);
  return out + section("settings", m.settings, [&](const ManifestSetting& setting) { return setting_text(m, setting); });
}

nlohmann::ordered_json manifest_words(const Manifest& m, const std::string& path) {
  OrderedJson out{{"id", m.id}, {"version", m.version}, {"summary", m.summary}, {"license", m.license}, {"path", path},
                  {"abi", abi_text(m.abi)}, {"threading", threading_text(m.threading)}};
  for (const char* list : {"hooks", "services", "commands", "settings"}) out[list] = OrderedJson::array();
  for (const ManifestHook& hook : m.hooks) out["hooks"].push_back(hook_words(hook));
  out["services"] = m.services;
  for (const ManifestCommand& c : m.commands)
    out["commands"].push_back(OrderedJson{{"name", c.name}, {"args", c.args}, {"doc", c.doc}, {"offline", c.offline()}});
  for (const ManifestSetting& setting : m.settings) out["settings"].push_back(setting_words(m, setting));
  return out;
}

}  // namespace veredus
