// The tree of keys, bounds, and everything that can be wrong with a schema.
#include "plugin/schema_keys.h"

#include <veredus/plugin.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "base/text.h"
#include "base/units.h"
#include "config/problems.h"
#include "config/scalars.h"
#include "plugin/schema.h"

namespace veredus {

namespace {

constexpr std::string_view kReservedKeys[] = {"plugin", "instance", "isolation", "on_fault", "timeout"};

bool is_key_word(std::string_view word) {
  return !word.empty() && word.size() <= 64 && word[0] >= 'a' && word[0] <= 'z' &&
         word.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
}

class SchemaBuilder {
 public:
  SchemaBuilder(const Manifest& manifest, std::vector<std::string>* problems) : manifest_(manifest), problems_(problems) {}

  std::vector<SchemaKey> run() {
    auto keys = below("");
    for (const ManifestSetting& setting : manifest_.settings)
      if (!reached_.count(&setting)) complain(setting, "the record that it belongs to is not declared");
    return keys;
  }

 private:
  void complain(const ManifestSetting& setting, const std::string& text) {
    if (problems_) problems_->push_back("setting " + in_quotes(setting.key) + ": " + text);
  }
  std::vector<SchemaKey> below(const std::string& prefix);
  SchemaKey key_of(const ManifestSetting& setting, std::string_view name);
  void judge(const SchemaKey& key, bool top);
  void judge_flags(const SchemaKey& key);
  void read_bounds(SchemaKey& key);
  void read_range(SchemaKey& key);
  void read_words(SchemaKey& key);

  const Manifest& manifest_;
  std::vector<std::string>* problems_;
  std::set<const ManifestSetting*> reached_;
};

std::vector<SchemaKey> SchemaBuilder::below(const std::string& prefix) {
  std::vector<SchemaKey> out;
  for (const ManifestSetting& setting : manifest_.settings) {
    if (!setting.key.starts_with(prefix)) continue;
    std::string_view name = std::string_view(setting.key).substr(prefix.size());
    if (name.find('.') != std::string_view::npos) continue;
    reached_.insert(&setting);
    if (key_named(out, name)) {
      complain(setting, "declared twice");
      continue;
    }
    out.push_back(key_of(setting, name));
    judge(out.back(), prefix.empty());
  }
  return out;
}

SchemaKey SchemaBuilder::key_of(const ManifestSetting& setting, std::string_view name) {
  SchemaKey out;
  out.name = name;
  out.setting = &setting;
  read_bounds(out);
  bool usable = is_key_word(name);  // the prefix of its fields grows, so this ends
  if (setting.type == VRD_SETTING_RECORD && usable) out.fields = below(setting.key + (setting.has(VRD_SETTING_LIST) ? "[]." : "."));
  return out;
}

void SchemaBuilder::judge(const SchemaKey& key, bool top) {
  const ManifestSetting& setting = *key.setting;
  if (!is_key_word(key.name)) complain(setting, "a key is a-z, 0-9 and '_', and begins with a letter");
  if (top && std::find(std::begin(kReservedKeys), std::end(kReservedKeys), key.name) != std::end(kReservedKeys))
    complain(setting, "the name is reserved for the host");
  if (setting.type == 0 || setting.type > VRD_SETTING_RECORD) complain(setting, "unknown type " + std::to_string(setting.type));
  if (setting.type == VRD_SETTING_RECORD && key.fields.empty()) complain(setting, "a record without fields");
  judge_flags(key);
}

void SchemaBuilder::judge_flags(const SchemaKey& key) {
  bool composed = key.type() == VRD_SETTING_RECORD || key.type() == VRD_SETTING_MAP;
  if (key.has(VRD_SETTING_REQUIRED) && key.setting->fallback) complain(*key.setting, "required, and has a default");
  if (key.has(VRD_SETTING_SECRET) && composed) complain(*key.setting, "a mapping cannot be secret; its fields can");
}

void SchemaBuilder::read_bounds(SchemaKey& key) {
  bool has = !key.setting->bounds.empty();
  switch (key.type()) {
    case VRD_SETTING_CHOICE:
      return read_words(key);
    case VRD_SETTING_TEXT:
    case VRD_SETTING_INT:
    case VRD_SETTING_DURATION:
    case VRD_SETTING_SIZE:
      if (has) read_range(key);
      return;
    default:
      if (has) complain(*key.setting, "settings of this type have no bounds");
  }
}

void SchemaBuilder::read_range(SchemaKey& key) {
  std::string_view bounds = key.setting->bounds;
  size_t dots = bounds.find("..");
  uint32_t type = key.type() == VRD_SETTING_TEXT ? VRD_SETTING_INT : key.type();
  if (dots != std::string_view::npos) {
    key.low = number_of(type, bounds.substr(0, dots));
    key.high = number_of(type, bounds.substr(dots + 2));
  }
  if (!key.low || !key.high || *key.low > *key.high)
    return complain(*key.setting, "the bounds " + in_quotes(bounds) + " are not MIN..MAX of its type");
  key.range = ", " + std::string(bounds.substr(0, dots)) + " to " + std::string(bounds.substr(dots + 2));
  if (key.type() == VRD_SETTING_TEXT) key.range += " octets";
}

void SchemaBuilder::read_words(SchemaKey& key) {
  for (std::string_view word : split(key.setting->bounds, '|')) {
    if (word.empty() || std::find(key.words.begin(), key.words.end(), word) != key.words.end())
      return complain(*key.setting, "the bounds of a choice are different words: a|b|c");
    key.words.emplace_back(word);
  }
}

std::optional<int64_t> integer_of(std::string_view text) {
  int64_t out = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

}  // namespace

std::vector<SchemaKey> schema_keys(const Manifest& manifest, std::vector<std::string>* problems) { return SchemaBuilder(manifest, problems).run(); }

const SchemaKey* key_named(const std::vector<SchemaKey>& keys, std::string_view name) {
  for (const SchemaKey& key : keys)
    if (key.name == name) return &key;
  return nullptr;
}

std::vector<std::string> names_of(const std::vector<SchemaKey>& keys) {
  std::vector<std::string> out;
  for (const SchemaKey& key : keys) out.push_back(key.name);
  return out;
}

std::optional<int64_t> number_of(uint32_t type, std::string_view text) {
  if (type == VRD_SETTING_INT) return integer_of(text);
  if (type == VRD_SETTING_DURATION) {
    auto value = parse_duration(text);
    return value ? std::optional<int64_t>(value->count()) : std::nullopt;
  }
  auto value = type == VRD_SETTING_SIZE ? parse_size(text) : std::nullopt;
  return value && *value <= INT64_MAX ? std::optional<int64_t>(static_cast<int64_t>(*value)) : std::nullopt;
}

Type core_type(uint32_t type) {
  constexpr Type kTypes[] = {Type::text, Type::text, Type::boolean, Type::integer, Type::duration, Type::size, Type::choice,
                             Type::path, Type::network, Type::pattern, Type::name, Type::record, Type::record};
  return type < std::size(kTypes) ? kTypes[type] : Type::text;
}

std::string one_hint_of(const SchemaKey& key) {
  if (key.type() == VRD_SETTING_TABLE) return "the name of a table";
  if (key.type() == VRD_SETTING_PATH) return "a path";
  if (key.type() != VRD_SETTING_CHOICE) return std::string(type_name(core_type(key.type()))) + key.range;
  std::string out;
  for (const std::string& word : key.words) out += (out.empty() ? "" : ", ") + word;
  return "one of " + out;
}

std::string hint_of(const SchemaKey& key) {
  return key.has(VRD_SETTING_LIST) ? "a list, each " + one_hint_of(key) : one_hint_of(key);
}

}  // namespace veredus
