// Reads one YAML file into a ConfigNode. The only place that knows yaml-cpp. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/node.h"
#include "config/problems.h"

namespace veredus {

inline constexpr size_t kMaxConfigFile = 4 * 1024 * 1024;
inline constexpr size_t kMaxConfigDepth = 24;

// Nothing when the text is not one YAML document of plain data; `problems` then says why. An empty document
// is a null node. Refused: duplicate keys, anchors and aliases, tags, several documents, deep nesting, octets
// that are not UTF-8.
std::optional<ConfigNode> read_yaml(std::string_view text, const std::string& file, Problems& problems);

}  // namespace veredus
