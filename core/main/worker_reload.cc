// Reload: the new configuration is tested whole on the pool, then put in force on every loop; a bad one changes nothing.
#include <unistd.h>

#include "config/show.h"
#include "log/events.h"
#include "main/severity.h"
#include "main/worker_graph.h"

namespace veredus {

namespace {

Result<std::shared_ptr<const PreparedResult>> read_config(const std::string& directory) {
  return std::make_shared<const PreparedResult>(load_plugin_config(directory, Catalogue::standard()));
}

class Turn {
 public:
  Turn(bool& taken, Event& ended) : taken_(taken), ended_(ended) {
    taken_ = true;
    ended_.reset();
  }
  ~Turn() {
    taken_ = false;
    ended_.set();
  }
  Turn(const Turn&) = delete;

 private:
  bool& taken_;
  Event& ended_;
};

// What only a restart changes stays as it is in the running daemon.
std::string restart_notes(const std::vector<SettingChange>& changes, Log& log) {
  std::string out;
  for (const SettingChange& change : changes) {
    if (change.reloadable) continue;
    out += change.name + " takes effect after a restart\n";
    log.write(events::kConfigNeedsRestart, {{"setting", change.name}});
  }
  return out;
}

}  // namespace

// One after the other, so that the files that were read last are in force in the end.
Task<ReloadReport> WorkerGraph::reload() {
  while (reloading_) co_await reload_ended_.wait(Deadline::never());  // of a reload, which comes to its end
  Turn turn(reloading_, reload_ended_);
  std::function<Result<std::shared_ptr<const PreparedResult>>()> read = [directory = conf_dir_] { return read_config(directory); };
  auto answer = co_await run_on(*loops_[0], pool_, std::move(read));
  ReloadReport report;
  if (!answer) {
    report.text = answer.error().text + "\n";
  } else if (const PreparedResult& config = **answer; !config) {
    report.text = config.error_text();
  } else {
    using Made = std::shared_ptr<TlsServer>;
    std::function<Result<Made>()> load = [this, settings = config.value().config.settings, before = tls_] { return make_tls(settings, before); };
    auto tls = co_await run_on(*loops_[0], pool_, std::move(load));
    Status fits = Status();
    if (tls) fits = co_await check_new_certificates(config.value().config.settings, *tls);
    if (!tls || !fits) report.text = (tls ? fits.error() : tls.error()).text + "\n";
    else co_await reload_with(config.value(), std::move(*tls), report);
  }
  main_log_.log.write(report.ok ? events::kConfigReloaded : events::kConfigRefused, {{"text", report.text}});
  co_return report;
}

Task<void> WorkerGraph::reload_with(const PreparedConfig& config, std::shared_ptr<TlsServer> tls, ReloadReport& report) {
  auto plugins = co_await prepare_plugins_beside(config);
  report.ok = plugins.ok();
  report.text = plugins ? accept(config.config) : plugins.error().text + "\n";
  if (!plugins) co_return;
  plugins_->commit(std::move(*plugins));
  use_tls(std::move(tls));
}

std::string WorkerGraph::accept(const LoadedConfig& config) {
  std::string notes = restart_notes(diff_settings(*settings_, *config.settings), main_log_.log);
  for (const ConfigWarning& warning : config.warnings) main_log_.log.write(events::kConfigWarning, {{"text", warning.full()}});
  put_in_force(config.settings);
  return notes;
}

Task<void> WorkerGraph::reload_logged() {
  co_await reload();
  if (write(handed_.status, "reloaded\n", 9) != 9) main_log_.log.write(events::kSupervisorNotifyFailed, {{"state", "reloaded"}});
}

// Listening sockets were opened by the supervisor: each keeps its address, and takes what else the new configuration says of it.
void WorkerGraph::put_in_force(SettingsPtr fresh) {
  auto merged = std::make_shared<Settings>(*fresh);
  merged->listeners = settings_->listeners;
  for (ListenerSettings& open : merged->listeners)
    for (const ListenerSettings& wanted : fresh->listeners)
      if (wanted.address == open.address) open = wanted;
  merged->spool = settings_->spool;
  merged->control = settings_->control;
  merged->submit = settings_->submit;
  merged->drop = settings_->drop;
  merged->state = settings_->state;
  merged->metrics = settings_->metrics;
  merged->user = settings_->user;
  merged->control_mode = settings_->control_mode;
  merged->loops = settings_->loops;
  merged->kv.path = settings_->kv.path;
  merged->helpers = settings_->helpers;
  settings_ = std::move(merged);
  main_log_.log.set_threshold(severity_of(settings_->log_level));
  memory_.set_cap(settings_->limits.memory);
  connections_->reconfigure(settings_);
  guard_->reconfigure(settings_);
  router_->reconfigure(settings_);
  reporter_->reconfigure(settings_);
  queue_->reconfigure(settings_);
  for (auto& worker : workers_)
    worker->loop.post_call([w = worker.get(), settings = settings_]() mutable { w->reconfigure(std::move(settings)); });
}

}  // namespace veredus
