// core.control/1: what commands print. A token is a number in the table of the commands that run, which a mutex guards.
#include <veredus/control.h>
#include <veredus/plugin.h>

#include <map>
#include <mutex>

#include "base/text.h"
#include "plugin/hook_adapter.h"
#include "plugin/host_support.h"
#include "plugin/interfaces.h"
#include "plugin/plugin_command.h"

namespace veredus {

struct PluginCommand::Run {
  explicit Run(Loop& l) : loop(l), changed(l) {}
  Loop& loop;
  Event changed;  // [main]
  std::mutex mutex;
  Progress progress;
  bool told = false;  // a wake-up is on its way
  bool ended = false;
};

namespace {

constexpr int32_t kMostExit = 125;
constexpr uint64_t kMark = uint64_t{1} << 22;  // as no token of a hook or a service has it

struct Running {
  std::mutex mutex;
  std::map<uint64_t, std::shared_ptr<PluginCommand::Run>> runs;
  uint64_t next = 1;
};

Running& running() {
  static Running* all = new Running;  // lives as long as the process: a thread of a plugin may be late
  return *all;
}

std::shared_ptr<PluginCommand::Run> find(uint64_t token) {
  Running& all = running();
  std::lock_guard guard(all.mutex);
  auto found = all.runs.find(token);
  return found == all.runs.end() ? nullptr : found->second;
}

void tell(const std::shared_ptr<PluginCommand::Run>& run) {
  if (std::exchange(run->told, true)) return;
  run->loop.post_call([run] {
    {
      std::lock_guard guard(run->mutex);
      run->told = false;
    }
    run->changed.set();
  });
}

vrd_status print(vrd_pending command, vrd_str octets, std::string PluginCommand::Progress::*where) {
  if (!readable(octets)) return VRD_E_INVALID;
  auto run = find(command);
  if (!run) return VRD_E_LATE;
  std::lock_guard guard(run->mutex);
  if (run->ended) return VRD_E_LATE;
  size_t waiting = run->progress.out.size() + run->progress.err.size();
  if (octets.len > PluginCommand::kMostWaiting - waiting) return VRD_E_MEMORY;
  (run->progress.*where).append(view_of(octets));
  tell(run);
  return VRD_OK;
}

vrd_status write(vrd_pending command, vrd_str octets) { return print(command, octets, &PluginCommand::Progress::out); }
vrd_status error(vrd_pending command, vrd_str octets) { return print(command, octets, &PluginCommand::Progress::err); }

vrd_status finish(vrd_pending command, int32_t exit_code) {
  if (exit_code < 0 || exit_code > kMostExit) return VRD_E_INVALID;
  auto run = find(command);
  if (!run) return VRD_E_LATE;
  std::lock_guard guard(run->mutex);
  if (std::exchange(run->ended, true)) return VRD_E_LATE;
  run->progress.exit = exit_code;
  tell(run);
  return VRD_OK;
}

}  // namespace

PluginCommand::PluginCommand(Loop& main) : run_(std::make_shared<Run>(main)) {
  Running& all = running();
  std::lock_guard guard(all.mutex);
  uint64_t number = all.next++;
  token_ = (number & 0xFFFFFFFF) << 32 | kMark | 1;
  all.runs[token_] = run_;
}

PluginCommand::~PluginCommand() {
  Running& all = running();
  std::lock_guard guard(all.mutex);
  all.runs.erase(token_);
}

Status PluginCommand::begin(Instance& instance, const vrd_command& command, std::span<const std::string> arguments) {
  std::vector<vrd_str> words;
  for (const std::string& word : arguments) words.push_back(str_of(word));
  vrd_err problem;
  vrd_status status = VRD_E_FAULT;
  guarded(*instance.record(), "command", [&] { status = command.run(instance.self(), words.data(), words.size(), token_, &problem); });
  if (status == VRD_OK) return {};
  return fail(Errc::invalid, problem.text.empty() ? "the command failed (" + std::to_string(status) + ")" : problem.text);
}

Task<PluginCommand::Progress> PluginCommand::next(Deadline deadline) {
  co_await run_->changed.wait(deadline);
  run_->changed.reset();
  std::lock_guard guard(run_->mutex);
  co_return std::exchange(run_->progress, {});
}

FoundCommand find_plugin_command(const Generation& generation, std::span<const std::string> words) {
  FoundCommand best;
  for (const auto& instance : generation.instances()) {
    for (const vrd_command* const* one = instance->plugin().commands; one && *one; ++one) {
      std::vector<std::string_view> name = split((*one)->name, ' ');
      if (name.size() <= best.words || name.size() > words.size()) continue;
      if (std::equal(name.begin(), name.end(), words.begin())) best = {instance.get(), *one, name.size()};
    }
  }
  return best;
}

const vrd_core_control_1& core_control() {
  static constexpr vrd_core_control_1 table{VRD_SIZED(vrd_core_control_1), 0, write, error, finish};
  return table;
}

}  // namespace veredus
