// What people are told about a plugin's settings: effective values with secrets hidden, one setting explained.
#include <veredus/plugin.h>

#include <nlohmann/json.hpp>

#include "plugin/schema.h"
#include "plugin/schema_keys.h"

namespace veredus {

namespace {

using OrderedJson = nlohmann::ordered_json;

OrderedJson show_mapping(const std::vector<SchemaKey>& keys, const vrd_conf& mapping);

OrderedJson show_one(const SchemaKey& key, const vrd_conf& node) {
  if (key.has(VRD_SETTING_SECRET)) return "(hidden)";
  if (key.type() == VRD_SETTING_RECORD) return show_mapping(key.fields, node);
  if (key.type() == VRD_SETTING_BOOL) return node.number == 1;
  if (key.type() == VRD_SETTING_INT) return node.number;
  if (key.type() != VRD_SETTING_MAP) return node.text;
  OrderedJson out = OrderedJson::object();
  for (size_t i = 0; i < node.keys.size(); ++i) out[node.keys[i]] = node.items[i].text;
  return out;
}

OrderedJson show_value(const SchemaKey& key, const vrd_conf* node) {
  if (!node) return nullptr;
  if (node->kind != vrd_conf::Kind::list) return show_one(key, *node);
  OrderedJson out = OrderedJson::array();
  for (const vrd_conf& item : node->items) out.push_back(show_one(key, item));
  return out;
}

OrderedJson show_mapping(const std::vector<SchemaKey>& keys, const vrd_conf& mapping) {
  OrderedJson out = OrderedJson::object();
  for (const SchemaKey& key : keys) out[key.name] = show_value(key, mapping.find(key.name));
  return out;
}

std::string version_text(uint32_t since) { return std::to_string(since >> 8) + "." + std::to_string(since & 0xff); }

std::string describe(const Manifest& manifest, const SchemaKey& key) {
  const ManifestSetting& setting = *key.setting;
  std::string out = manifest.id + "." + setting.key + "\n  " + setting.doc + "\n  type: " + hint_of(key) + "\n";
  if (key.has(VRD_SETTING_REQUIRED)) out += "  default: none, must be given\n";
  else out += "  default: " + setting.fallback.value_or("unset") + "\n";
  out += key.has(VRD_SETTING_RESTART) ? "  in force: after a restart\n" : "  in force: after a reload\n";
  if (key.type() == VRD_SETTING_PATH) out += "  a relative path is below state/" + manifest.id + "/\n";
  if (key.has(VRD_SETTING_SECRET)) out += "  secret: never shown; may be given as { file: PATH }\n";
  return out + "  since: " + version_text(setting.since) + "\n";
}

void each_key(const std::vector<SchemaKey>& keys, const auto& visit) {
  for (const SchemaKey& key : keys) {
    visit(key);
    each_key(key.fields, visit);
  }
}

bool stands_under(const std::string& key, std::string_view group) {
  std::string name(group);
  return key == name || key.starts_with(name + ".") || key.starts_with(name + "[");
}

}  // namespace

nlohmann::ordered_json show_plugin_settings(const Manifest& manifest, const vrd_conf& tree) {
  return show_mapping(schema_keys(manifest, nullptr), tree);
}

std::string explain_plugin_setting(const Manifest& manifest, std::string_view wanted) {
  std::string out;
  each_key(schema_keys(manifest, nullptr), [&](const SchemaKey& key) {
    if (wanted.empty() || stands_under(key.setting->key, wanted)) out += (out.empty() ? "" : "\n") + describe(manifest, key);
  });
  return out;
}

std::string setting_hint(const Manifest& manifest, std::string_view wanted) {
  std::string out;
  each_key(schema_keys(manifest, nullptr), [&](const SchemaKey& key) {
    if (key.setting->key == wanted) out = hint_of(key);
  });
  return out;
}

std::vector<std::string> setting_keys(const Manifest& manifest) {
  std::vector<std::string> out;
  for (const ManifestSetting& setting : manifest.settings) out.push_back(setting.key);
  return out;
}

}  // namespace veredus
