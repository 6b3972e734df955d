// To and from JSON, and the words for numbers of the ABI.
#include "plugin/manifest.h"

#include <veredus/plugin.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "hooks/stage_table.h"

namespace veredus {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kThreading[] = {"per_loop", "shared", "serial"};
constexpr std::string_view kPolicies[] = {"tempfail", "next", "reject"};
constexpr std::string_view kTypes[] = {"",       "text", "bool",    "int",     "duration", "size", "choice",
                                       "path",   "network", "pattern", "table", "map",      "record"};
constexpr std::string_view kRights[] = {"headers", "body", "recipients", "sender", "route", "fields", "split", "notes", "authres"};

template <size_t n>
std::string_view word(const std::string_view (&words)[n], uint32_t number) {
  return number < n ? words[number] : "unknown";
}

Json setting_to_json(const ManifestSetting& s) {
  Json out{{"key", s.key}, {"type", s.type}, {"flags", s.flags}, {"since", s.since}, {"bounds", s.bounds}, {"doc", s.doc}};
  out["default"] = s.fallback ? Json(*s.fallback) : Json();
  return out;
}

ManifestSetting setting_from_json(const Json& json) {
  ManifestSetting out;
  out.key = json.at("key").get<std::string>();
  out.type = json.at("type").get<uint32_t>();
  out.flags = json.at("flags").get<uint32_t>();
  out.since = json.at("since").get<uint32_t>();
  out.bounds = json.at("bounds").get<std::string>();
  out.doc = json.at("doc").get<std::string>();
  if (!json.at("default").is_null()) out.fallback = json.at("default").get<std::string>();
  return out;
}

Json hook_to_json(const ManifestHook& h) {
  return Json{{"stage", h.stage}, {"order", h.order}, {"needs", h.needs}, {"may", h.may}, {"on_fault", h.on_fault}, {"flags", h.flags}, {"known", h.known}};
}

ManifestHook hook_from_json(const Json& json) {
  ManifestHook out;
  out.stage = json.at("stage").get<uint32_t>();
  out.order = json.at("order").get<int32_t>();
  out.needs = json.at("needs").get<uint32_t>();
  out.may = json.at("may").get<uint32_t>();
  out.on_fault = json.at("on_fault").get<uint32_t>();
  out.flags = json.at("flags").get<uint32_t>();
  out.known = json.at("known").get<bool>();
  return out;
}

Json command_to_json(const ManifestCommand& c) { return Json{{"flags", c.flags}, {"name", c.name}, {"args", c.args}, {"doc", c.doc}}; }

ManifestCommand command_from_json(const Json& json) {
  ManifestCommand out;
  out.flags = json.at("flags").get<uint32_t>();
  out.name = json.at("name").get<std::string>();
  out.args = json.at("args").get<std::string>();
  out.doc = json.at("doc").get<std::string>();
  return out;
}

template <typename T, typename Read>
std::vector<T> list_of(const Json& json, Read read) {
  std::vector<T> out;
  for (const Json& item : json) out.push_back(read(item));
  return out;
}

Manifest from_json(const Json& json) {
  Manifest out;
  out.id = json.at("id").get<std::string>();
  out.version = json.at("version").get<std::string>();
  out.license = json.at("license").get<std::string>();
  out.summary = json.at("summary").get<std::string>();
  out.abi = json.at("abi").get<uint32_t>();
  out.threading = json.at("threading").get<uint32_t>();
  out.settings = list_of<ManifestSetting>(json.at("settings"), setting_from_json);
  out.hooks = list_of<ManifestHook>(json.at("hooks"), hook_from_json);
  out.commands = list_of<ManifestCommand>(json.at("commands"), command_from_json);
  out.services = json.at("services").get<std::vector<std::string>>();
  return out;
}

}  // namespace

bool ManifestCommand::offline() const { return (flags & VRD_COMMAND_OFFLINE) != 0; }

bool Manifest::provides(std::string_view service) const { return std::find(services.begin(), services.end(), service) != services.end(); }

Json manifest_to_json(const Manifest& m) {
  Json out{{"id", m.id}, {"version", m.version}, {"license", m.license}, {"summary", m.summary}, {"abi", m.abi}, {"threading", m.threading}};
  for (const char* list : {"settings", "hooks", "commands"}) out[list] = Json::array();
  for (const ManifestSetting& setting : m.settings) out["settings"].push_back(setting_to_json(setting));
  for (const ManifestHook& hook : m.hooks) out["hooks"].push_back(hook_to_json(hook));
  for (const ManifestCommand& command : m.commands) out["commands"].push_back(command_to_json(command));
  out["services"] = m.services;
  return out;
}

Result<Manifest> manifest_from_json(const Json& json) {
  try {
    return from_json(json);
  } catch (const nlohmann::json::exception& error) {
    return fail(Errc::corrupt, std::string("not a manifest: ") + error.what());
  }
}

std::string abi_text(uint32_t abi) { return std::to_string(abi >> 16) + "." + std::to_string(abi & 0xffff); }
std::string_view threading_text(uint32_t threading) { return word(kThreading, threading); }
std::string_view setting_type_text(uint32_t type) { return type == 0 ? "unknown" : word(kTypes, type); }
std::string_view fault_policy_text(uint32_t policy) { return word(kPolicies, policy); }

std::string stage_text(uint32_t stage) {
  for (const StageInfo& info : stages())
    if (static_cast<uint32_t>(info.stage) == stage) return std::string(info.name);
  return std::to_string(stage);
}

std::vector<std::string> rights_words(uint32_t may) {
  std::vector<std::string> out;
  for (size_t bit = 0; bit < std::size(kRights); ++bit)
    if (may & (1u << bit)) out.emplace_back(kRights[bit]);
  return out;
}

bool is_plugin_id(std::string_view id) {
  if (id.empty() || id.size() > 64) return false;
  return std::all_of(id.begin(), id.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-'; });
}

}  // namespace veredus
