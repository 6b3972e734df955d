// PluginLogSinks: gives every line that is written to the plugins that provide svc.logsink/1, on the loop that wrote it, in its next turn.
// Lines of threads that run no loop go to the main one. What waits for one loop is bounded; beyond it lines are lost and counted. [any]
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "log/log.h"
#include "plugin/plugin_host.h"

namespace veredus {

class PluginLogSinks final : public LogSink {
 public:
  explicit PluginLogSinks(PluginHost& host) : host_(host), shared_(std::make_shared<Shared>()) {}
  ~PluginLogSinks() override { shared_->ended = true; }  // [main] when no other loop runs any more

  void write(std::string_view lines) override;
  uint64_t dropped() const { return shared_->dropped.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kMostWaiting = 4 << 20;
  struct Shared {
    std::atomic<size_t> waiting{0};
    std::atomic<uint64_t> dropped{0};
    std::atomic<bool> ended{false};
  };
  PluginHost& host_;
  std::shared_ptr<Shared> shared_;
};

// The lines that are not events of the plugin itself, nor about it.
std::string without_lines_of(std::string_view lines, std::string_view plugin, std::string_view label);

}  // namespace veredus
