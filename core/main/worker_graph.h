// WorkerGraph: every object of the worker, in the order in which they need each other, and the order in which they end.
// Loop 0 (the main thread) owns the queue, the listeners, the control socket and the signals.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bounce/bounce.h"
#include "control/server.h"
#include "log/sinks.h"
#include "loop/work_pool.h"
#include "main/descriptors.h"
#include "main/signals.h"
#include "main/worker_loop.h"
#include "net/listener.h"
#include "outbound/courier.h"
#include "outbound/router.h"
#include "queue/mail_queue.h"
#include "spool/log_spool.h"

namespace veredus {

class WorkerGraph {
 public:
  WorkerGraph(std::string conf_dir, SettingsPtr settings, HandedDescriptors handed);
  ~WorkerGraph();

  Status open();                   // spool and everything that stands on it
  int run();                       // until told to end; an exit code
  int failed(const Error& error);  // logs why the worker cannot start

 private:
  void build_loops();
  void start_threads();
  Task<void> live();               // loop 0: recover, accept, wait for the end, drain
  void open_listeners();
  void accepted(size_t listener, int fd, Endpoint peer);
  void refuse(int fd, Admission admission);
  Task<void> drain();
  Task<ReloadReport> reload();
  void put_in_force(SettingsPtr settings);
  void on_reload_signal();
  Task<void> reload_logged();
  ControlContext control_context();
  std::string metrics() const;
  uint64_t open_sessions() const;
  template <typename F>
  void on_every_loop(F call);      // posts; does not wait

  std::string conf_dir_;
  SettingsPtr settings_;
  HandedDescriptors handed_;
  RealClock clock_;
  WallTime started_;
  FdSink stderr_sink_;
  FanOutSink sinks_;
  MemoryBudget memory_;
  WorkPool pool_;
  std::vector<std::unique_ptr<Loop>> loops_;  // before everything that lives on them
  std::unique_ptr<Log> main_log_;
  std::unique_ptr<SpoolLogger> spool_events_;
  std::unique_ptr<PosixStorage> storage_;
  std::unique_ptr<LogSpool> spool_;
  std::unique_ptr<MailQueue> queue_;
  std::unique_ptr<ConnectionTable> connections_;
  std::vector<std::unique_ptr<WorkerLoop>> workers_;
  NoDeliveryHooks delivery_hooks_;
  std::vector<std::unique_ptr<OutboundContext>> outbound_;
  std::unique_ptr<OutboundRouter> router_;
  std::unique_ptr<OutboundCourier> courier_;
  std::unique_ptr<Reporter> reporter_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::unique_ptr<ControlServer> control_;
  std::unique_ptr<SignalWatch> signals_;
  std::unique_ptr<Scope> main_scope_;
  std::vector<std::thread> threads_;
  size_t next_loop_ = 0;
  int exit_code_ = 0;
};

}  // namespace veredus
