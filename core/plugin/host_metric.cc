// core.metric/1: a plugin's counters. A handle is the position of the metric among those that the instance defined, from 1.
#include <veredus/metric.h>

#include <algorithm>

#include "plugin/host_support.h"
#include "plugin/interfaces.h"
#include "plugin/plugin_metrics.h"
#include "plugin/service_state.h"

namespace veredus {

namespace {

constexpr size_t kMost = 64, kLongestName = 48, kLongestText = 200;

bool is_name(const char* text) {
  if (!text) return false;
  std::string_view name(text);
  return within(name.size(), kLongestName) && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == name.npos;
}

bool is_value(std::string_view text) { return text.size() <= kLongestText && text.find_first_of("\"\\\n\r") == text.npos; }

bool read(const vrd_metric_def& def, PluginMetrics::Definition& out) {
  if (!VRD_HAS(vrd_metric_def, &def, label_values) || def.kind > VRD_METRIC_GAUGE || !is_name(def.name) || !def.doc || !is_value(def.doc)) return false;
  out.name = def.name;
  out.doc = def.doc;
  out.counter = def.kind == VRD_METRIC_COUNTER;
  if (out.counter != out.name.ends_with("_total")) return false;
  if (!def.label) return !def.label_values;
  if (!is_name(def.label) || !def.label_values || !def.label_values[0]) return false;
  out.label = def.label;
  for (const char* const* value = def.label_values; *value; ++value) {
    if (out.label_values.size() == PluginMetrics::kMostLabels || !is_value(*value)) return false;
    out.label_values.emplace_back(*value);
  }
  return true;
}

vrd_status define(const vrd_host* host, const vrd_metric_def* def, uint32_t* metric) {
  Instance& instance = Instance::of(host);
  if (!instance.check_main("core.metric define")) return VRD_E_THREAD;
  if (instance.phase() != InstancePhase::creating) return VRD_E_STATE;
  PluginMetrics::Definition wanted;
  if (!def || !metric || !read(*def, wanted)) return VRD_E_INVALID;
  auto& mine = ServiceState::of(instance).metrics;
  if (mine.size() >= kMost) return VRD_E_MEMORY;
  wanted.plugin = instance.name();
  wanted.instance = instance.prepared().fragment.instance;
  auto number = PluginMetrics::define(std::move(wanted));
  if (!number) return VRD_E_MEMORY;
  mine.push_back(*number);
  *metric = static_cast<uint32_t>(mine.size());
  return VRD_OK;
}

void add(const vrd_host* host, uint32_t metric, uint32_t label, int64_t amount) {
  const ServiceState* state = ServiceState::find(Instance::of(host));
  if (state && within(metric, state->metrics.size())) PluginMetrics::add(state->metrics[metric - 1], label, amount);
}

}  // namespace

const vrd_core_metric_1& core_metric() {
  static constexpr vrd_core_metric_1 table{VRD_SIZED(vrd_core_metric_1), 0, define, add};
  return table;
}

}  // namespace veredus
