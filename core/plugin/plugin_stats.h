// PluginStats: what plugins cost and answered since the start of the worker, for `veredus plugin stats` and the metrics. PluginTotals adds
// up the counters of hooks by plugin and stage. Values; any thread.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "hooks/hook_stats.h"

namespace veredus {

class Generation;

struct StageStats {
  Stage stage{};
  HookStats hooks;
  uint64_t pending = 0;  // calls that wait for their answer now
};

struct PluginStats {
  std::string plugin;  // label
  std::vector<StageStats> stages;
  uint64_t views = 0, edits = 0;              // held now
  uint64_t misdeeds = 0, late = 0;            // since the worker started
  std::vector<uint64_t> generations;          // that are alive
};

class PluginTotals {
 public:
  void add(const Generation& generation, bool ended);
  std::vector<PluginStats> list() const;

 private:
  struct One {
    std::map<Stage, StageStats> stages;
    PluginStats rest;
  };
  std::map<std::string, One> plugins_;
};

double mean_micros(const HookStats& stats);
double percentile_micros(const HookStats& stats, double part);  // upper limit of the bucket that holds it

}  // namespace veredus
