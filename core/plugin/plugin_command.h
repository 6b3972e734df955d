// PluginCommand: one command of a plugin being carried out: its token, and what it has printed so far. Runs on the main thread; the plugin
// may print and finish from any thread. Whoever runs it takes the output as it comes; once the object is gone the plugin is late.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "loop/wait.h"
#include "plugin/generation.h"

struct vrd_command;

namespace veredus {

class PluginCommand {
 public:
  static constexpr size_t kMostWaiting = 16 << 20;  // octets printed and not yet taken
  struct Run;

  explicit PluginCommand(Loop& main);
  ~PluginCommand();
  PluginCommand(const PluginCommand&) = delete;

  // Calls the plugin; an error is a refusal, with its text.
  Status begin(Instance& instance, const vrd_command& command, std::span<const std::string> arguments);

  struct Progress {
    std::string out, err;
    std::optional<int> exit;  // it has ended
  };
  Task<Progress> next(Deadline deadline);  // what came since, at the latest then

 private:
  std::shared_ptr<Run> run_;
  uint64_t token_ = 0;
};

// The command of a generation that `words` begin with, the longest one, and how many words are its name.
struct FoundCommand {
  Instance* instance = nullptr;
  const vrd_command* command = nullptr;
  size_t words = 0;
  explicit operator bool() const { return command != nullptr; }
};
FoundCommand find_plugin_command(const Generation& generation, std::span<const std::string> words);

}  // namespace veredus
