// The registry of plugins' metrics.
#include "plugin/plugin_metrics.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>

#include "plugin/loop_services.h"

namespace veredus {

namespace {

constexpr size_t kMost = 4'096, kLoops = 64, kCells = kLoops + 1;  // the last one is shared

// A row of cells a loop, so that loops do not share lines of the cache.
struct alignas(64) Row {
  std::array<std::atomic<int64_t>, PluginMetrics::kMostLabels> cells{};
};
struct Metric {
  PluginMetrics::Definition definition;
  std::array<std::atomic<Row*>, kCells> rows{};
};

struct Registry {
  std::mutex mutex;
  std::array<std::atomic<Metric*>, kMost> metrics{};
  size_t count = 0;
};

Registry& registry() {
  static Registry* all = new Registry;  // lives as long as the process: a thread of a plugin may count to the end
  return *all;
}

Row& row_of(Metric& metric, size_t index) {
  std::atomic<Row*>& place = metric.rows[index];
  if (Row* row = place.load(std::memory_order_acquire)) return *row;
  auto* made = new Row;
  Row* present = nullptr;
  if (place.compare_exchange_strong(present, made, std::memory_order_acq_rel)) return *made;
  delete made;
  return *present;
}

std::string metric_name(const PluginMetrics::Definition& one) {
  std::string out = "veredus_plugin_" + one.plugin + "_" + one.name;
  std::replace_if(out.begin(), out.end(), [](char c) { return c == '.' || c == '-'; }, '_');
  return out;
}

std::string sample(const Metric& metric, size_t label) {
  int64_t sum = 0;
  for (const auto& place : metric.rows)
    if (Row* row = place.load(std::memory_order_acquire)) sum += row->cells[label].load(std::memory_order_relaxed);
  const auto& one = metric.definition;
  std::string labels;
  if (!one.instance.empty()) labels += "instance=\"" + one.instance + "\"";
  if (!one.label.empty()) labels += (labels.empty() ? "" : ",") + one.label + "=\"" + one.label_values[label] + "\"";
  return metric_name(one) + (labels.empty() ? "" : "{" + labels + "}") + " " + std::to_string(sum) + "\n";
}

}  // namespace

std::optional<uint32_t> PluginMetrics::define(Definition definition) {
  Registry& all = registry();
  std::lock_guard guard(all.mutex);
  for (uint32_t i = 0; i < all.count; ++i) {
    Definition& known = all.metrics[i].load()->definition;
    if (known.plugin != definition.plugin || known.instance != definition.instance || known.name != definition.name) continue;
    known = std::move(definition);
    return i;
  }
  if (all.count == kMost) return std::nullopt;
  auto* metric = new Metric;
  metric->definition = std::move(definition);
  all.metrics[all.count].store(metric, std::memory_order_release);
  return static_cast<uint32_t>(all.count++);
}

void PluginMetrics::add(uint32_t number, uint32_t label, int64_t amount) {
  Metric* metric = number < kMost ? registry().metrics[number].load(std::memory_order_acquire) : nullptr;
  if (!metric || label >= kMostLabels) return;
  LoopServices* here = LoopServices::here();
  if (here && here->loop.index() < kLoops) {
    auto& cell = row_of(*metric, here->loop.index()).cells[label];
    cell.store(cell.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  } else {
    row_of(*metric, kLoops).cells[label].fetch_add(amount, std::memory_order_relaxed);
  }
}

std::string PluginMetrics::text() {
  Registry& all = registry();
  std::lock_guard guard(all.mutex);
  std::map<std::string, std::string> by_name;
  for (size_t i = 0; i < all.count; ++i) {
    const Metric& metric = *all.metrics[i].load();
    std::string& lines = by_name[metric_name(metric.definition)];
    if (lines.empty()) {
      std::string name = metric_name(metric.definition);
      lines = "# HELP " + name + " " + metric.definition.doc + "\n# TYPE " + name + (metric.definition.counter ? " counter\n" : " gauge\n");
    }
    for (size_t label = 0; label < std::max<size_t>(1, metric.definition.label_values.size()); ++label) lines += sample(metric, label);
  }
  std::string out;
  for (const auto& [name, lines] : by_name) out += lines;
  return out;
}

}  // namespace veredus
