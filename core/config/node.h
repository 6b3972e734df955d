// ConfigNode: a YAML document as a tree that knows where each part stands. Values; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace veredus {

struct Place {
  std::string file;     // as the user would name it: "conf.d/00-core.yaml"
  unsigned line = 0;    // from 1; 0 = the file as a whole
  unsigned column = 0;  // from 1
  std::string text() const;
};

struct ConfigEntry;

struct ConfigNode {
  enum class Kind : uint8_t { null, scalar, list, map } kind = Kind::null;
  Place place;
  std::string text;                  // scalar
  std::vector<ConfigNode> items;     // list
  std::vector<ConfigEntry> entries;  // map, in the order of the file, keys distinct

  const ConfigEntry* find(std::string_view key) const;
};

struct ConfigEntry {
  std::string key;
  Place place;  // of the key
  ConfigNode value;
};

}  // namespace veredus
