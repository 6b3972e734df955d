// CommandDef: one row of the table of commands that a running daemon carries out. Handlers run on the queue's loop.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/settings.h"
#include "log/log.h"
#include "log/sinks.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "net/resolver.h"
#include "net/stream.h"
#include "queue/queue.h"
#include "spool/spool.h"

namespace veredus {

struct DaemonInfo {
  std::string version;
  WallTime started{};
  int pid = 0;
};

struct ReloadReport {
  bool ok = false;
  std::string text;  // errors, or what needs a restart
};

class Output;
// What a plugin that knows accounts said of a password, and which mechanisms it is enough for.
struct AuthTest {
  enum class Result : uint8_t { ok, denied, temporary, unknown } result = Result::temporary;  // unknown: there is no such plugin
  std::string account, tenant;  // ok: the canonical name
  std::vector<std::string> mechanisms;
};

// What handlers may reach. Owned by the worker; lives as long as the server.
struct ControlContext {
  Loop& loop;
  Queue& queue;
  Spool& spool;
  Log& log;
  FanOutSink& log_sinks;
  Resolver& resolver;
  DaemonInfo info;
  std::function<SettingsPtr()> settings;
  std::function<Task<ReloadReport>()> reload;
  std::function<std::string()> metrics;          // Prometheus text
  std::function<uint64_t()> open_sessions;
  std::function<QueueCounters()> counters;       // with what was discarded before the queue saw it
  // What plugins cost and answered, as text or JSON, of one or (empty) of all; an error when there is none of that name.
  std::function<Result<std::string>(const std::string& name, bool json)> plugin_stats = {};
  // Carries out a plugin's command, if the words begin with the name of one.
  std::function<std::optional<Task<int>>(std::vector<std::string> words, Output& output)> plugin_command = {};
  std::function<Task<AuthTest>(std::string plugin, std::string account, std::string password)> check_password = {};
};

// Where a handler prints. Text is sent in pieces; a reader that is slow makes the handler wait.
class Output {
 public:
  Output(Loop& loop, Stream& stream) : loop_(loop), stream_(stream) {}
  void print(std::string_view text) { pending_.append(text); }
  void error(std::string_view text);
  Task<Status> flush();  // also gives the loop a turn, so that long output stalls nothing else
  bool full() const { return pending_.size() + frames_.size() > 64 * 1024; }
  Stream& stream() { return stream_; }

 private:
  Loop& loop_;
  Stream& stream_;
  std::string pending_;  // text not yet in a frame
  std::string frames_;
};

// One command being carried out: words after the command's name, options taken out.
struct CommandCall {
  std::vector<std::string> arguments;
  std::map<std::string, std::string> options;  // "--sender" -> value
  bool json = false;
  std::string by;  // who asks, for the log
};

struct CommandDef {
  std::string_view name;     // "queue list"
  std::string_view usage;    // arguments and options
  std::string_view doc;
  std::vector<std::string_view> options;  // that take a value
  size_t least_arguments = 0;
  size_t most_arguments = 0;
  Task<int> (*run)(ControlContext&, CommandCall, Output&);
};

const std::vector<CommandDef>& commands();
// The row with the longest name that begins `words`; null when there is none.
const CommandDef* find_command(std::span<const std::string> words);
// One sentence for words that begin with no command's name, with what may have been meant.
std::string unknown_command(std::span<const std::string> words);
// Splits what follows the name into arguments and options, or says what is wrong.
Result<CommandCall> parse_call(const CommandDef& command, std::span<const std::string> words);

// Handlers, by file.
Task<int> run_status(ControlContext&, CommandCall, Output&);
Task<int> run_reload(ControlContext&, CommandCall, Output&);
Task<int> run_metrics(ControlContext&, CommandCall, Output&);
Task<int> run_log_follow(ControlContext&, CommandCall, Output&);
Task<int> run_dns(ControlContext&, CommandCall, Output&);
Task<int> run_plugin_stats(ControlContext&, CommandCall, Output&);
Task<int> run_auth_test(ControlContext&, CommandCall, Output&);
Task<int> run_queue_list(ControlContext&, CommandCall, Output&);
Task<int> run_queue_show(ControlContext&, CommandCall, Output&);
Task<int> run_queue_cat(ControlContext&, CommandCall, Output&);
Task<int> run_queue_retry(ControlContext&, CommandCall, Output&);
Task<int> run_queue_hold(ControlContext&, CommandCall, Output&);
Task<int> run_queue_release(ControlContext&, CommandCall, Output&);
Task<int> run_queue_bounce(ControlContext&, CommandCall, Output&);
Task<int> run_queue_delete(ControlContext&, CommandCall, Output&);
Task<int> run_destinations(ControlContext&, CommandCall, Output&);
Task<int> run_suspend(ControlContext&, CommandCall, Output&);
Task<int> run_resume(ControlContext&, CommandCall, Output&);

}  // namespace veredus
