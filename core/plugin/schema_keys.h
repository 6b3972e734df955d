// SchemaKey: the flat list of a manifest's settings as the tree it describes, with bounds parsed. For schema.cc and its reader. Points into
// the manifest; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/schema.h"
#include "plugin/manifest.h"

namespace veredus {

struct SchemaKey {
  std::string name;  // the last part of the key
  const ManifestSetting* setting = nullptr;
  std::optional<int64_t> low, high;
  std::string range;               // ", 1s to 1d"
  std::vector<std::string> words;  // of a choice
  std::vector<SchemaKey> fields;   // of a record

  uint32_t type() const { return setting->type; }
  bool has(uint32_t flag) const { return setting->has(flag); }
};

// Complaints go to `problems` if it is given; without, the schema is taken as checked.
std::vector<SchemaKey> schema_keys(const Manifest& manifest, std::vector<std::string>* problems);
const SchemaKey* key_named(const std::vector<SchemaKey>& keys, std::string_view name);
std::vector<std::string> names_of(const std::vector<SchemaKey>& keys);

// The number of a scalar of a type that has numbers; nothing when the text does not fit.
std::optional<int64_t> number_of(uint32_t type, std::string_view text);
Type core_type(uint32_t setting_type);         // for its words in messages
std::string hint_of(const SchemaKey& key);     // "a list of durations, 1s to 1d"
std::string one_hint_of(const SchemaKey& key);  // "a duration, 1s to 1d"

}  // namespace veredus
