// Sums over loops, hooks and generations.
#include "plugin/plugin_stats.h"

#include <algorithm>

#include "plugin/generation.h"
#include "plugin/hook_adapter.h"

namespace veredus {

namespace {

void add_hooks(HookStats& to, const HookStats& from) {
  to.calls += from.calls;
  to.faults += from.faults;
  to.timeouts += from.timeouts;
  to.slow += from.slow;
  to.edits_refused += from.edits_refused;
  to.nanos += from.nanos;
  for (size_t i = 0; i < to.answers.size(); ++i) to.answers[i] += from.answers[i];
  for (size_t i = 0; i < to.histogram.size(); ++i) to.histogram[i] += from.histogram[i];
}

}  // namespace

void PluginTotals::add(const Generation& generation, bool ended) {
  for (unsigned loop = 0; loop < generation.loops(); ++loop) {
    for (const auto& hook : generation.hooks(loop)) {
      StageStats& stage = plugins_[hook->info().plugin].stages[hook->info().stage];
      stage.stage = hook->info().stage;
      add_hooks(stage.hooks, hook->stats());
      if (!ended) stage.pending += hook->waiting();
    }
  }
  for (const auto& instance : generation.instances()) {
    PluginStats& rest = plugins_[instance->label()].rest;
    const PluginRecord& record = *instance->record();
    rest.misdeeds += record.misdeeds.load();
    rest.late += record.late_answers.load();
    if (ended) continue;
    rest.views += record.views.load();
    rest.edits += record.edits.load();
    rest.generations.push_back(generation.number());
  }
}

std::vector<PluginStats> PluginTotals::list() const {
  std::vector<PluginStats> out;
  for (const auto& [label, one] : plugins_) {
    out.push_back(one.rest);
    out.back().plugin = label;
    for (const auto& [stage, stats] : one.stages) out.back().stages.push_back(stats);
  }
  return out;
}

double mean_micros(const HookStats& stats) {
  return stats.calls == 0 ? 0 : static_cast<double>(stats.nanos) / static_cast<double>(stats.calls) / 1000;
}

double percentile_micros(const HookStats& stats, double part) {
  uint64_t all = 0;
  for (uint64_t count : stats.histogram) all += count;
  double wanted = static_cast<double>(all) * part;
  uint64_t seen = 0;
  for (size_t i = 0; i < stats.histogram.size(); ++i) {
    seen += stats.histogram[i];
    if (seen > 0 && static_cast<double>(seen) >= wanted) return static_cast<double>(HookStats::bucket_limit(i)) / 1000;
  }
  return 0;
}

}  // namespace veredus
