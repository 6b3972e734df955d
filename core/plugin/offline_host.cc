// The host's parts in the order in which they need each other, and the story of one command.
#include "plugin/offline_host.h"

#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/text.h"
#include "hooks/runner.h"
#include "log/sinks.h"
#include "loop/scope.h"
#include "loop/work_pool.h"
#include "net/http_client.h"
#include "net/resolv_conf.h"
#include "net/stub_resolver.h"
#include "plugin/hook_adapter.h"
#include "plugin/plugin_command.h"
#include "plugin/plugin_host.h"
#include "plugin/probe.h"
#include "store/memory_kv.h"

namespace veredus {

namespace {

constexpr Millis kEndPatience{500};

// A loop that a plugin blocks fires no timer: a signal ends the process. After the command has ended, with its own code.
volatile sig_atomic_t code_at_limit = EX_TEMPFAIL;
char directories_at_limit[2][1024];  // of the plugin's state, and what it is in: removed if nothing is in them

void limit_reached(int) {
  constexpr std::string_view kText = "veredus: the command did not end within 20 s\n";
  if (code_at_limit == EX_TEMPFAIL && write(STDERR_FILENO, kText.data(), kText.size()) < 0) _exit(EX_IOERR);
  for (const char* directory : directories_at_limit) rmdir(directory);
  _exit(code_at_limit);
}

void remember_directories(const std::string& state, const std::string& whole) {
  std::snprintf(directories_at_limit[0], sizeof directories_at_limit[0], "%s", state.c_str());
  std::snprintf(directories_at_limit[1], sizeof directories_at_limit[1], "%s", whole.c_str());
}

void start_limit() {
  struct sigaction action = {};
  action.sa_handler = limit_reached;
  sigaction(SIGALRM, &action, nullptr);
  alarm(static_cast<unsigned>(kOfflineLimit.count()));
}

// The real clock, set once.
class SetClock final : public Clock {
 public:
  explicit SetClock(std::optional<WallTime> time) : shift_(time ? *time - real_.wall() : Millis(0)) {}
  MonoTime mono() const override { return real_.mono(); }
  WallTime wall() const override { return real_.wall() + shift_; }

 private:
  RealClock real_;
  Millis shift_;
};

class StateDirectory {
 public:
  StateDirectory() {
    std::error_code error;
    std::string pattern = (std::filesystem::temp_directory_path(error) / "veredus-offline-XXXXXX").string();
    if (mkdtemp(pattern.data())) path_ = pattern;
  }
  ~StateDirectory() {
    std::error_code error;
    if (!path_.empty()) std::filesystem::remove_all(path_, error);
  }
  StateDirectory(const StateDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

ResolverOptions resolver_options(const OfflineOptions& options, Log* log) {
  ResolverOptions out(options.dns ? std::vector<Endpoint>{*options.dns} : system_resolvers());
  out.log = log;
  return out;
}

HttpClientOptions http_options(Resolver* resolver) {
  HttpClientOptions out;
  out.resolver = resolver;
  return out;
}

void print(FILE* stream, const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

class OfflineHost final : TurnEnd {
 public:
  OfflineHost(const OfflineOptions& options, SettingsPtr core);
  ~OfflineHost() override;

  int run(PreparedPlugin plugin, std::vector<std::string> words);
  const std::string& state() const { return state_.path(); }

 private:
  static Task<void> story(OfflineHost* host, PreparedPlugin plugin, std::vector<std::string> words);
  Task<int> carry_out(PreparedPlugin plugin, std::vector<std::string> words);
  Task<int> follow(FoundCommand found, std::vector<std::string> arguments);
  void turn_end() override { log_.flush(); }

  StateDirectory state_;
  SetClock clock_;
  FdSink sink_{STDERR_FILENO, clock_};
  Log log_{clock_, sink_, Severity::warning};
  Loop loop_{clock_};
  WorkPool pool_{4};
  StubResolver resolver_;
  HttpClient http_;
  MemoryKv kv_{clock_};
  Runner runner_{loop_, log_, std::make_shared<const HookSet>()};
  SettingsPtr core_;
  LoopServices services_{loop_, log_};
  std::unique_ptr<PluginHost> plugins_;
  Scope scope_{loop_};
  int code_ = EX_SOFTWARE;
};

OfflineHost::OfflineHost(const OfflineOptions& options, SettingsPtr core)
    : clock_(options.time), resolver_(loop_, resolver_options(options, &log_)), http_(loop_, http_options(&resolver_)), core_(std::move(core)) {
  services_.runner = &runner_;
  services_.pool = &pool_;
  services_.resolver = services_.builtin_resolver = &resolver_;
  services_.kv = &kv_;
  services_.http = &http_;
  services_.queue_loop = &loop_;
  services_.settings = [this] { return core_; };
  loop_.at_turn_end(this);
}

OfflineHost::~OfflineHost() { loop_.forget_turn_end(this); }

Task<int> OfflineHost::follow(FoundCommand found, std::vector<std::string> arguments) {
  PluginCommand command(loop_);
  Status begun = command.begin(*found.instance, *found.command, arguments);
  Deadline deadline = Deadline::in(loop_, begun ? Millis(kOfflineLimit) : Millis(0));  // the signal comes sooner
  for (;;) {
    PluginCommand::Progress progress = co_await command.next(deadline);
    print(stdout, progress.out);
    print(stderr, progress.err);
    if (!begun) print(stderr, "veredus: " + begun.error().text + "\n");
    if (!begun) co_return EX_SOFTWARE;
    if (progress.exit) co_return *progress.exit;
  }
}

Task<int> OfflineHost::carry_out(PreparedPlugin plugin, std::vector<std::string> words) {
  std::vector<PreparedPlugin> list;
  list.push_back(std::move(plugin));
  auto prepared = co_await plugins_->prepare(std::move(list), core_);
  if (!prepared) {
    print(stderr, "veredus: " + prepared.error().text + "\n");
    co_return EX_CONFIG;
  }
  std::shared_ptr<Generation> generation = std::move(*prepared);
  plugins_->commit(generation);
  FoundCommand found = find_plugin_command(*generation, words);
  if (!found) co_return EX_USAGE;
  words.erase(words.begin(), words.begin() + static_cast<long>(found.words));
  co_return co_await follow(found, std::move(words));
}

Task<void> OfflineHost::story(OfflineHost* host, PreparedPlugin plugin, std::vector<std::string> words) {
  host->code_ = co_await host->carry_out(std::move(plugin), std::move(words));
  code_at_limit = host->code_;
  co_await host->plugins_->end(kEndPatience);
  host->loop_.stop();
}

int OfflineHost::run(PreparedPlugin plugin, std::vector<std::string> words) {
  services_.enter();
  plugins_ = std::make_unique<PluginHost>(std::vector<LoopServices*>{&services_});
  loop_.post_call([this, plugin = std::move(plugin), words = std::move(words)]() mutable { scope_.spawn(story(this, std::move(plugin), std::move(words))); });
  loop_.run();
  plugins_.reset();
  services_.leave();
  return code_;
}

int fail_with(const std::string& text, int code) {
  print(stderr, "veredus: " + text + "\n");
  return code;
}

Result<std::string> take_option(std::vector<std::string>& words, const std::string& name) {
  for (size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    bool joined = words[i].starts_with(name + "=");
    if (!joined && words[i] != name) continue;
    if (!joined && i + 1 == words.size()) return fail(Errc::invalid, name + " wants a value");
    std::string value = joined ? words[i].substr(name.size() + 1) : words[i + 1];
    words.erase(words.begin() + static_cast<long>(i), words.begin() + static_cast<long>(i + (joined ? 1 : 2)));
    if (value.empty()) return fail(Errc::invalid, name + " wants a value");
    return value;
  }
  return std::string();
}

}  // namespace

Result<OfflineOptions> take_offline_options(std::vector<std::string>& words) {
  constexpr uint64_t kLastSecond = 253'402'300'799;  // of the year 9999
  OfflineOptions out;
  auto dns = take_option(words, "--dns");
  auto time = take_option(words, "--time");
  if (!dns) return dns.error();
  if (!time) return time.error();
  if (!dns->empty()) {
    out.dns = Endpoint::parse(*dns, 53);
    if (!out.dns) return fail(Errc::invalid, "--dns wants an address and port, such as 127.0.0.1:53");
  }
  if (!time->empty()) {
    auto seconds = parse_uint(*time, kLastSecond);
    if (!seconds) return fail(Errc::invalid, "--time wants seconds since 1970");
    out.time = WallTime(Seconds(static_cast<int64_t>(*seconds)));
  }
  return out;
}

int run_offline_command(const std::string& object_path, std::vector<std::string> words, const OfflineOptions& options) {
  start_limit();
  signal(SIGPIPE, SIG_IGN);
  auto object = PluginObject::open(object_path);
  if (!object) return fail_with(object.error().text, EX_DATAERR);
  auto config = parse_config({}, LoadOptions());
  if (!config) return fail_with(config.error_text(), EX_CONFIG);
  OfflineHost host(options, config.value().settings);
  if (host.state().empty()) return fail_with("there is no directory for temporary files", EX_CANTCREAT);
  PreparedPlugin plugin;
  plugin.fragment.name = (*object)->manifest().id;
  plugin.path = (*object)->path();
  plugin.identity = (*object)->identity();
  plugin.manifest = std::make_shared<const Manifest>((*object)->manifest());
  plugin.state_dir = host.state() + "/" + plugin.fragment.name;
  remember_directories(plugin.state_dir, host.state());
  plugin.settings = default_settings_tree(*plugin.manifest, plugin.state_dir);
  return host.run(std::move(plugin), std::move(words));
}

}  // namespace veredus
