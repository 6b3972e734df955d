// PluginHost: the plugins that are in force. Prepares a generation beside the running one, puts it in force, and ends those that nobody uses
// any more. [main] unless marked.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "loop/scope.h"
#include "plugin/generation.h"
#include "plugin/plugin_stats.h"

namespace veredus {

class PluginHost {
 public:
  // One entry a loop, in the order of their indices; the first is the main thread's. All outlive the host.
  explicit PluginHost(std::vector<LoopServices*> loops);
  PluginHost(const PluginHost&) = delete;
  ~PluginHost();

  // Creates and starts plugins on every loop. An error names plugin and place; nothing is left of what was made then, and what was in
  // force still is. What is not committed ends when the answer is let go.
  Task<Result<std::shared_ptr<Generation>>> prepare(std::vector<PreparedPlugin> plugins, SettingsPtr core);
  // For sessions and messages that begin from now on.
  void commit(std::shared_ptr<Generation> generation);
  std::shared_ptr<Generation> current() const;  // [any] never null; without plugins it is empty

  // Ends all generations, in bounded time also those that are still used: their hooks answer with a fault then.
  Task<void> end(Millis patience);

  std::vector<PluginStats> stats() const;
  size_t generations() const { return living_.size(); }
  void set_slow_start(Millis every) { slow_start_ = every; }  // how often a plugin that does not come up is named
  LoopServices& main() const { return *loops_.front(); }

 private:
  struct Living {
    std::unique_ptr<Generation> generation;
    bool ending = false;
  };

  std::shared_ptr<Generation> adopt(std::unique_ptr<Generation> generation);
  void released(uint64_t number);
  Task<void> end_one(Generation* generation);
  Task<Status> start(Generation& generation);
  Task<void> stop(Generation& generation);
  void report_leaks(const Generation& generation);

  std::vector<LoopServices*> loops_;
  std::vector<std::unique_ptr<Scope>> scopes_;  // by loop: shards that stop
  mutable std::mutex mutex_;                    // of current_
  std::shared_ptr<Generation> current_;
  std::map<uint64_t, Living> living_;
  PluginTotals ended_;  // counters of generations that are gone
  uint64_t last_number_ = 0;
  Millis slow_start_{5'000};
  Event all_gone_;
  Scope chores_;
};

}  // namespace veredus
