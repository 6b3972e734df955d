// A fragment's settings read against the schema: types, bounds, lists, records, secrets from files, defaults.
#include "plugin/schema.h"

#include <veredus/plugin.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/address_ip.h"
#include "base/read_stream.h"
#include "base/text.h"
#include "config/scalars.h"
#include "config/yaml.h"
#include "plugin/schema_keys.h"

namespace veredus {

namespace {

constexpr size_t kLongestSecret = 65'536;
constexpr size_t kLongestPath = 1024;

Error misfit(const SchemaKey& key, const std::string& text) {
  if (key.has(VRD_SETTING_SECRET)) return fail(Errc::invalid, "the secret does not fit; expected " + one_hint_of(key));
  return fail(Errc::invalid, in_quotes(text) + " is not " + one_hint_of(key));
}

Status in_range(const SchemaKey& key, int64_t value, const std::string& text) {
  if ((!key.low || value >= *key.low) && (!key.high || value <= *key.high)) return {};
  if (key.has(VRD_SETTING_SECRET)) return misfit(key, text);
  return fail(Errc::invalid, in_quotes(text) + " is out of range (" + key.range.substr(2) + ")");
}

Status read_number(const SchemaKey& key, vrd_conf& out) {
  auto value = number_of(key.type(), out.text);
  if (!value) {
    std::string example(type_example(core_type(key.type())));
    Error error = misfit(key, out.text);
    return fail(error.code, error.text + " (write it like " + example + ")");
  }
  out.number = *value;
  return in_range(key, *value, out.text);
}

Status read_text(const SchemaKey& key, vrd_conf& out) { return in_range(key, static_cast<int64_t>(out.text.size()), out.text); }

Status read_bool(const SchemaKey&, vrd_conf& out) {
  bool value = false;
  Status status = read_scalar(Setting{.type = Type::boolean}, out.text, value);
  out.number = value ? 1 : 0;
  return status;
}

Status read_word(const SchemaKey& key, vrd_conf& out) {
  std::vector<std::string_view> choices(key.words.begin(), key.words.end());
  size_t index = 0;
  Status status = read_choice(Setting{.type = Type::choice, .choices = choices}, out.text, index);
  out.number = static_cast<int64_t>(index);
  return status;
}

Status read_network(const SchemaKey&, vrd_conf& out) {
  if (out.text == "loopback") return fail(Errc::invalid, "'loopback' stands for two networks: 127.0.0.0/8 and ::1");
  Network network;
  Status status = read_scalar(Setting{.type = Type::network}, out.text, network);
  if (status) out.text = network.text();
  return status;
}

Status read_pattern(const SchemaKey&, vrd_conf& out) { return read_scalar(Setting{.type = Type::pattern}, std::string(out.text), out.text); }

Status read_table(const SchemaKey& key, vrd_conf& out) {
  if (!is_name(out.text)) return misfit(key, out.text);
  return {};
}

using ReadScalar = Status (*)(const SchemaKey&, vrd_conf&);
// By type; paths, maps and records have their own ways.
constexpr ReadScalar kReaders[] = {read_text, read_text, read_bool, read_number, read_number, read_number, read_word,
                                   read_text, read_network, read_pattern, read_table};

std::string_view kind_text(const ConfigNode& node) {
  constexpr std::string_view kKinds[] = {"nothing", "a single value", "a list", "a mapping"};
  return kKinds[static_cast<size_t>(node.kind)];
}

// One reading of one fragment.
class SettingsReader {
 public:
  SettingsReader(const PluginFragment& fragment, std::string state_dir, Problems& problems)
      : fragment_(fragment), state_dir_(std::move(state_dir)), problems_(problems) {}

  bool mapping(const std::vector<SchemaKey>& keys, const ConfigNode& node, vrd_conf& out);

 private:
  bool refuse(const Place& place, const SchemaKey& key, const std::string& text);
  void stand(const ConfigNode& node, vrd_conf& out) const;
  bool entry(const std::vector<SchemaKey>& keys, const ConfigEntry& entry, vrd_conf& out);
  bool absent(const SchemaKey& key, const ConfigNode& node, vrd_conf& out);
  bool fallback(const SchemaKey& key, vrd_conf& out);
  bool value(const SchemaKey& key, const ConfigNode& node, vrd_conf& out);
  bool list(const SchemaKey& key, const ConfigNode& node, vrd_conf& out);
  bool one(const SchemaKey& key, const ConfigNode& node, vrd_conf& out);
  bool map(const SchemaKey& key, const ConfigNode& node, vrd_conf& out);
  bool scalar(const SchemaKey& key, const ConfigNode& node, vrd_conf& out);
  bool path(const SchemaKey& key, const Place& place, std::string& text);
  bool secret_file(const SchemaKey& key, const ConfigNode& node, std::string& text);

  const PluginFragment& fragment_;
  std::string state_dir_;
  Problems& problems_;
  bool in_default_ = false;
};

bool SettingsReader::refuse(const Place& place, const SchemaKey& key, const std::string& text) {
  problems_.error(in_default_ ? fragment_.place : place, key.setting->key + ": " + text);
  return false;
}

void SettingsReader::stand(const ConfigNode& node, vrd_conf& out) const {
  out.place = in_default_ ? fragment_.place : node.place;
  out.where = out.place.text();
}

bool SettingsReader::mapping(const std::vector<SchemaKey>& keys, const ConfigNode& node, vrd_conf& out) {
  stand(node, out);
  out.kind = vrd_conf::Kind::map;
  bool good = true;
  for (const ConfigEntry& given : node.entries) good &= entry(keys, given, out);
  for (const SchemaKey& key : keys)
    if (!node.find(key.name)) good &= absent(key, node, out);
  return good;
}

bool SettingsReader::entry(const std::vector<SchemaKey>& keys, const ConfigEntry& entry, vrd_conf& out) {
  const SchemaKey* key = key_named(keys, entry.key);
  if (!key) {
    problems_.error(in_default_ ? fragment_.place : entry.place, "unknown setting " + in_quotes(entry.key) + did_you_mean(entry.key, names_of(keys)));
    return false;
  }
  out.keys.push_back(key->name);
  return value(*key, entry.value, out.items.emplace_back());
}

bool SettingsReader::absent(const SchemaKey& key, const ConfigNode& node, vrd_conf& out) {
  if (key.has(VRD_SETTING_REQUIRED)) {
    problems_.error(in_default_ ? fragment_.place : node.place, in_quotes(key.name) + " is missing; expected " + hint_of(key));
    return false;
  }
  if (!key.setting->fallback) return true;
  out.keys.push_back(key.name);
  return fallback(key, out.items.emplace_back());
}

bool SettingsReader::fallback(const SchemaKey& key, vrd_conf& out) {
  bool nested = std::exchange(in_default_, true);
  Problems problems;
  auto node = read_yaml(*key.setting->fallback, "default", problems);
  bool good = node ? value(key, *node, out) : refuse(fragment_.place, key, "its default is not YAML: " + problems.take_errors().front().text);
  in_default_ = nested;
  return good;
}

bool SettingsReader::value(const SchemaKey& key, const ConfigNode& node, vrd_conf& out) {
  if (node.kind == ConfigNode::Kind::null) return refuse(node.place, key, "has no value; expected " + hint_of(key));
  return key.has(VRD_SETTING_LIST) ? list(key, node, out) : one(key, node, out);
}

bool SettingsReader::list(const SchemaKey& key, const ConfigNode& node, vrd_conf& out) {
  stand(node, out);
  out.kind = vrd_conf::Kind::list;
  if (node.kind != ConfigNode::Kind::list) return one(key, node, out.items.emplace_back());
  if (node.items.empty() && key.has(VRD_SETTING_REQUIRED)) return refuse(node.place, key, "the list is empty; expected " + hint_of(key));
  bool good = true;
  for (const ConfigNode& item : node.items) good &= one(key, item, out.items.emplace_back());
  return good;
}

bool SettingsReader::one(const SchemaKey& key, const ConfigNode& node, vrd_conf& out) {
  bool composed = key.type() == VRD_SETTING_RECORD || key.type() == VRD_SETTING_MAP;
  bool from_file = key.has(VRD_SETTING_SECRET) && node.kind == ConfigNode::Kind::map;
  if (node.kind != (composed ? ConfigNode::Kind::map : ConfigNode::Kind::scalar) && !from_file)
    return refuse(node.place, key, "expected " + one_hint_of(key) + ", found " + std::string(kind_text(node)));
  if (!composed) return scalar(key, node, out);
  return key.type() == VRD_SETTING_MAP ? map(key, node, out) : mapping(key.fields, node, out);
}

bool SettingsReader::map(const SchemaKey& key, const ConfigNode& node, vrd_conf& out) {
  stand(node, out);
  out.kind = vrd_conf::Kind::map;
  bool good = true;
  for (const ConfigEntry& entry : node.entries) {
    if (entry.value.kind != ConfigNode::Kind::scalar) {
      good = refuse(entry.value.place, key, "expected a single value for " + in_quotes(entry.key) + ", found " + std::string(kind_text(entry.value)));
      continue;
    }
    out.keys.push_back(entry.key);
    vrd_conf& item = out.items.emplace_back();
    item.kind = vrd_conf::Kind::scalar;
    item.text = entry.value.text;
    stand(entry.value, item);
  }
  return good;
}

bool SettingsReader::scalar(const SchemaKey& key, const ConfigNode& node, vrd_conf& out) {
  stand(node, out);
  out.kind = vrd_conf::Kind::scalar;
  out.secret = key.has(VRD_SETTING_SECRET);
  out.text = node.text;
  if (node.kind == ConfigNode::Kind::map && !secret_file(key, node, out.text)) return false;
  if (key.type() == VRD_SETTING_PATH) return path(key, node.place, out.text);
  Status status = kReaders[key.type()](key, out);
  return status || refuse(node.place, key, status.error().text);
}

bool SettingsReader::path(const SchemaKey& key, const Place& place, std::string& text) {
  if (text.empty() || text.size() > kLongestPath || printable(text, kLongestPath * 2) != text) return refuse(place, key, in_quotes(text) + " is not a path");
  if (!text.starts_with('/')) text = state_dir_ + "/" + text;
  return true;
}

// { file: PATH }: the file's octets without line ends at the end.
bool SettingsReader::secret_file(const SchemaKey& key, const ConfigNode& node, std::string& text) {
  const ConfigEntry* file = node.find("file");
  if (!file || node.entries.size() != 1 || file->value.kind != ConfigNode::Kind::scalar)
    return refuse(node.place, key, "expected " + one_hint_of(key) + ", or { file: PATH }");
  std::string name = file->value.text;
  if (!path(key, file->value.place, name)) return false;
  std::ifstream in(name, std::ios::binary);
  text = read_at_most(in, kLongestSecret + 1);
  if (!in.is_open() || in.bad() || (in.fail() && !in.eof())) return refuse(file->value.place, key, name + " cannot be read: " + std::strerror(errno));
  if (text.size() > kLongestSecret) return refuse(file->value.place, key, name + " is longer than 64 KiB");
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  return true;
}

void collect_tables(const std::vector<SchemaKey>& keys, const vrd_conf& mapping, std::vector<const vrd_conf*>& out);

void collect_of_key(const SchemaKey& key, const vrd_conf& node, std::vector<const vrd_conf*>& out) {
  if (node.kind == vrd_conf::Kind::list) {
    for (const vrd_conf& item : node.items) collect_of_key(key, item, out);
  } else if (key.type() == VRD_SETTING_TABLE) {
    out.push_back(&node);
  } else if (key.type() == VRD_SETTING_RECORD) {
    collect_tables(key.fields, node, out);
  }
}

void collect_tables(const std::vector<SchemaKey>& keys, const vrd_conf& mapping, std::vector<const vrd_conf*>& out) {
  for (const SchemaKey& key : keys)
    if (const vrd_conf* node = mapping.find(key.name)) collect_of_key(key, *node, out);
}

// By the code that reads settings; required ones play no part here.
SettingsTree read_defaults(std::vector<SchemaKey> keys, const std::string& state_dir, Problems& problems) {
  std::erase_if(keys, [](const SchemaKey& key) { return key.has(VRD_SETTING_REQUIRED); });
  PluginFragment fragment;
  ConfigNode nothing;
  nothing.kind = ConfigNode::Kind::map;
  auto out = std::make_shared<vrd_conf>();
  SettingsReader(fragment, state_dir, problems).mapping(keys, nothing, *out);
  return out;
}

}  // namespace

void check_schema(const Manifest& manifest, std::vector<std::string>& problems) {
  size_t before = problems.size();
  auto keys = schema_keys(manifest, &problems);
  if (problems.size() != before) return;
  Problems found;
  read_defaults(std::move(keys), "/", found);
  for (const ConfigError& error : found.take_errors()) problems.push_back("default of setting " + error.text);
}

SettingsTree default_settings_tree(const Manifest& manifest, const std::string& state_dir) {
  Problems ignored;  // none: the schema was checked
  return read_defaults(schema_keys(manifest, nullptr), state_dir, ignored);
}

SettingsTree read_plugin_settings(const Manifest& manifest, const PluginFragment& fragment, const std::string& state_dir, Problems& problems) {
  auto out = std::make_shared<vrd_conf>();
  auto keys = schema_keys(manifest, nullptr);
  SettingsReader reader(fragment, state_dir, problems);
  if (!reader.mapping(keys, fragment.settings, *out)) return nullptr;
  return out;
}

std::vector<const vrd_conf*> tables_wanted(const Manifest& manifest, const vrd_conf& tree) {
  std::vector<const vrd_conf*> out;
  collect_tables(schema_keys(manifest, nullptr), tree, out);
  return out;
}

}  // namespace veredus

const vrd_conf* vrd_conf::find(std::string_view key) const {
  for (size_t i = 0; i < keys.size(); ++i)
    if (keys[i] == key) return &items[i];
  return nullptr;
}
