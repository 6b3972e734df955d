// A table a plugin; JSON has one line a plugin.
#include "plugin/stats_text.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "hooks/stage_table.h"

namespace veredus {

namespace {

using nlohmann::ordered_json;

bool named(const PluginStats& stats, const std::string& name) {
  return name.empty() || stats.plugin == name || stats.plugin.starts_with(name + "/");
}

std::string micros(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

// "next 12, reject 1"
std::string answers_text(const HookStats& stats) {
  std::string out;
  for (size_t i = 0; i < stats.answers.size(); ++i)
    if (stats.answers[i] > 0)
      out += (out.empty() ? "" : ", ") + std::string(action_text(static_cast<Action>(i))) + " " + std::to_string(stats.answers[i]);
  return out;
}

std::string stage_row(const StageStats& stage) {
  const HookStats& hooks = stage.hooks;
  char text[256];
  std::snprintf(text, sizeof text, "  %-15s %10llu calls %8s us mean %10s us p99  ", std::string(stage_info(stage.stage).name).c_str(),
                static_cast<unsigned long long>(hooks.calls), micros(mean_micros(hooks)).c_str(),
                micros(percentile_micros(hooks, 0.99)).c_str());
  std::string out = text + answers_text(hooks);
  auto add = [&](uint64_t count, const char* what) {
    if (count > 0) out += "; " + std::to_string(count) + " " + what;
  };
  add(hooks.faults, "faults");
  add(hooks.timeouts, "timed out");
  add(hooks.slow, "slow");
  add(hooks.edits_refused, "edits refused");
  add(stage.pending, "pending");
  return out + "\n";
}

std::string people_text(const PluginStats& stats) {
  std::string out = stats.plugin + ": ";
  if (stats.generations.empty()) out += "not in use now";
  for (size_t i = 0; i < stats.generations.size(); ++i)
    out += (i == 0 ? "generation " : ", ") + std::to_string(stats.generations[i]);
  out += "; " + std::to_string(stats.views) + " views and " + std::to_string(stats.edits) + " lists of edits held";
  if (stats.misdeeds > 0) out += "; misbehaved " + std::to_string(stats.misdeeds) + " times";
  if (stats.late > 0) out += "; too late " + std::to_string(stats.late) + " times";
  out += "\n";
  for (const StageStats& stage : stats.stages) out += stage_row(stage);
  return out;
}

ordered_json stage_json(const StageStats& stage) {
  const HookStats& hooks = stage.hooks;
  ordered_json answers = ordered_json::object();
  for (size_t i = 0; i < hooks.answers.size(); ++i)
    if (hooks.answers[i] > 0) answers[std::string(action_text(static_cast<Action>(i)))] = hooks.answers[i];
  return {{"stage", stage_info(stage.stage).name},
          {"calls", hooks.calls},
          {"answers", answers},
          {"faults", hooks.faults},
          {"timeouts", hooks.timeouts},
          {"slow", hooks.slow},
          {"edits_refused", hooks.edits_refused},
          {"pending", stage.pending},
          {"mean_us", mean_micros(hooks)},
          {"p99_us", percentile_micros(hooks, 0.99)}};
}

ordered_json plugin_json(const PluginStats& stats) {
  ordered_json stages = ordered_json::array();
  for (const StageStats& stage : stats.stages) stages.push_back(stage_json(stage));
  return {{"plugin", stats.plugin}, {"generations", stats.generations}, {"views", stats.views},  {"edits", stats.edits},
          {"misdeeds", stats.misdeeds}, {"late", stats.late},           {"stages", stages}};
}

}  // namespace

Result<std::string> plugin_stats_text(const std::vector<PluginStats>& stats, const std::string& name, bool json) {
  std::string text;
  bool found = false;
  for (const PluginStats& each : stats) {
    if (!named(each, name)) continue;
    found = true;
    text += json ? plugin_json(each).dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n" : people_text(each);
  }
  if (!found && !name.empty()) return fail(Errc::not_found, "no plugin '" + printable(name, 80) + "' is enabled");
  return text.empty() && !json ? std::string("no plugin is enabled\n") : text;
}

}  // namespace veredus
