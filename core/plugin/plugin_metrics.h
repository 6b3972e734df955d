// PluginMetrics: counters and gauges that plugins define, for the whole process: an instance that comes later goes on with the cells of the
// one before. Each loop writes cells of its own, other threads share one. define() and text() are guarded by a mutex; add() takes none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace veredus {

class PluginMetrics {
 public:
  static constexpr size_t kMostLabels = 32;

  struct Definition {
    std::string plugin, instance;  // instance: the label in the fragment, or empty
    std::string name, doc, label;
    bool counter = true;
    std::vector<std::string> label_values;
    bool operator==(const Definition&) const = default;
  };

  // A number for add(); none when there are too many. The same plugin, instance and name: the same cells, with the labels given last.
  static std::optional<uint32_t> define(Definition definition);
  static void add(uint32_t number, uint32_t label, int64_t amount);  // [any]
  static std::string text();                                         // Prometheus' form, one HELP and TYPE a name
};

}  // namespace veredus
