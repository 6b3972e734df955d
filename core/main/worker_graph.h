// WorkerGraph: every object of the worker, in the order in which they need each other, and the order in which they end.
// Loop 0 (the main thread) owns the queue, the listeners, the control socket and the signals.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bounce/bounce.h"
#include "control/metrics_server.h"
#include "control/server.h"
#include "log/sinks.h"
#include "loop/work_pool.h"
#include "main/crash_board.h"
#include "main/descriptors.h"
#include "drop/pickup.h"
#include "main/helper_hub.h"
#include "main/local_door.h"
#include "main/signals.h"
#include "main/spool_events.h"
#include "main/worker_loop.h"
#include "net/listener.h"
#include "outbound/courier.h"
#include "outbound/finished_stage.h"
#include "outbound/router.h"
#include "plugin/plugin_host.h"
#include "queue/mail_queue.h"
#include "spool/log_spool.h"
#include "spool/posix_storage.h"
#include "store/kv_store.h"

namespace veredus {

struct PluginPorts;

class WorkerGraph {
 public:
  WorkerGraph(std::string conf_dir, PreparedConfig config, HandedDescriptors handed);
  ~WorkerGraph();

  Status open();                   // spool, loops and everything that stands on them
  int run();                       // until told to end; an exit code
  int failed(const Error& error);  // logs why the worker cannot start; an exit code

 private:
  Status open_spool();
  void build_loops();
  void start_threads();
  void settle();
  Task<void> live();  // loop 0: recover, accept, wait for the end, drain
  Task<void> hold_suspects();
  void open_for_business();
  void open_listeners();
  void prepare_for_local_mail();
  void open_for_local_mail();
  void accepted(size_t listener, int fd, Endpoint peer);
  void note_stress();
  void refuse(int fd, const Endpoint& peer, Admission admission, bool in_clear);
  Task<void> drain();
  ControlContext control_context();
  uint64_t open_sessions() const;

  // worker_reload.cc
  Task<ReloadReport> reload();
  Task<void> reload_with(const PreparedConfig& config, std::shared_ptr<TlsServer> tls, ReloadReport& report);
  Task<void> reload_logged();
  std::string accept(const LoadedConfig& config);  // what needs a restart
  void put_in_force(SettingsPtr settings);

  // worker_plugins.cc
  void build_plugin_host();
  Status open_kv(const std::vector<PreparedPlugin>& plugins);
  Task<bool> start_plugins();
  Task<Result<std::shared_ptr<Generation>>> prepare_plugins_beside(PreparedConfig config);

  // worker_tls.cc
  Result<std::shared_ptr<TlsServer>> make_tls(SettingsPtr settings, std::shared_ptr<TlsServer> before);
  void use_tls(std::shared_ptr<TlsServer> fresh);
  Task<void> watch_certificates();
  Task<void> take_renewed();
  Task<void> tell_contradictions();
  Task<Status> check_new_certificates(SettingsPtr settings, std::shared_ptr<TlsServer> fresh);

  // worker_metrics.cc
  std::string metrics() const;
  InboundCounters inbound_counters() const;
  QueueCounters counters() const;

  std::string conf_dir_;
  SettingsPtr settings_;
  std::vector<PreparedPlugin> first_plugins_;  // those to start with
  HandedDescriptors handed_;
  CrashBoard board_;
  RealClock clock_;
  WallTime started_;
  FdSink stderr_sink_;
  FanOutSink sinks_;
  SpoolEvents spool_events_;
  MemoryBudget memory_;
  std::vector<std::unique_ptr<Loop>> loops_;  // before everything that lives on them
  WorkPool pool_;
  std::unique_ptr<PosixStorage> storage_;
  std::unique_ptr<LogSpool> spool_;
  LoopLog main_log_;
  OwnAddresses own_;
  std::unique_ptr<ConnectionTable> connections_;
  std::unique_ptr<AuthGuard> guard_;
  std::unique_ptr<AccountRates> accounts_;
  std::unique_ptr<KvStore> kv_;
  std::unique_ptr<HelperHub> helpers_;
  std::unique_ptr<PluginHost> plugins_;  // ends after everything that may hold a set of hooks
  std::shared_ptr<PluginPorts> ports_;   // through which the core asks plugins that provide services
  AnchorCache anchors_;
  TablePort* tables_ = nullptr;          // one of them
  std::shared_ptr<TlsServer> tls_;
  bool reloading_ = false;
  Event reload_ended_{*loops_[0]};  // for who wants to be the next
  std::unique_ptr<MailQueue> queue_;
  std::vector<std::unique_ptr<WorkerLoop>> workers_;
  std::unique_ptr<OutboundRouter> router_;
  std::unique_ptr<FinishedStage> finished_;
  std::unique_ptr<OutboundCourier> courier_;
  std::unique_ptr<BounceReporter> reporter_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::unique_ptr<LocalDoor> door_;
  std::unique_ptr<DropPickup> pickup_;
  UserNames user_names_;
  std::unique_ptr<ControlServer> control_;
  std::unique_ptr<MetricsServer> metrics_server_;
  std::unique_ptr<SignalWatch> signals_;
  Scope main_scope_;
  std::vector<std::thread> threads_;
  size_t next_loop_ = 0;
  int exit_code_ = 0;
  bool stressed_ = false;
  bool config_fault_ = false;  // why it cannot start
};

}  // namespace veredus
