// The worker's objects: built in one place, started, drained.
#include "main/worker_graph.h"

#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include <random>

#include "base/thread_name.h"
#include "control/message_text.h"
#include "log/events.h"
#include "main/severity.h"
#include "main/spool_setup.h"
#include "plugin/command_bridge.h"
#include "plugin/stats_text.h"

namespace veredus {

namespace {

constexpr unsigned kPoolThreads = 4;
constexpr Millis kDrainMargin{1'000};
constexpr Millis kPluginPatience{1'000};
constexpr int kLockTries = 10;
constexpr Millis kLockPause{50};

std::vector<std::unique_ptr<Loop>> make_loops(const Clock& clock, uint32_t wanted) {
  unsigned count = wanted > 0 ? wanted : std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::unique_ptr<Loop>> out;
  for (unsigned i = 0; i < count; ++i) out.push_back(std::make_unique<Loop>(clock, i));
  return out;
}

// `veredus spool verify` and its like hold the lock for a moment; another daemon holds it for good.
Result<std::unique_ptr<LogSpool>> open_patiently(Storage& storage, const Clock& clock, const SpoolSettings& settings, SpoolObserver& observer) {
  for (int tries = 0;; ++tries) {
    auto spool = LogSpool::open(storage, clock, spool_options(settings), observer);
    if (spool || spool.error().code != Errc::busy || tries == kLockTries) return spool;
    std::this_thread::sleep_for(kLockPause);
  }
}

uint64_t random_seed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace

WorkerGraph::WorkerGraph(std::string conf_dir, PreparedConfig config, HandedDescriptors handed)
    : conf_dir_(std::move(conf_dir)),
      settings_(config.config.settings),
      first_plugins_(std::move(config.plugins)),
      handed_(std::move(handed)),
      started_(clock_.wall()),
      stderr_sink_(STDERR_FILENO, clock_),
      spool_events_(clock_, sinks_),
      memory_(settings_->limits.memory),
      loops_(make_loops(clock_, settings_->loops)),
      pool_(kPoolThreads),
      main_log_(*loops_[0], clock_, sinks_),
      own_(OwnAddresses::of_host()),
      main_scope_(*loops_[0]) {
  sinks_.add(&stderr_sink_);
  if (auto attached = board_.attach(handed_.board); !attached) main_log_.log.write(events::kWorkerFailed, {{"reason", attached.error().text}});
  main_log_.log.set_threshold(severity_of(settings_->log_level));
}

WorkerGraph::~WorkerGraph() = default;

Status WorkerGraph::open() {
  main_log_.log.write(events::kConfigLoaded, {{"conf", conf_dir_}, {"hostname", settings_->hostname}, {"loops", loops_.size()}});
  if (auto opened = open_spool(); !opened) return opened;
  Loop& loop = *loops_[0];
  connections_ = std::make_unique<ConnectionTable>(loop, settings_);
  guard_ = std::make_unique<AuthGuard>(loop, settings_);
  accounts_ = std::make_unique<AccountRates>(loop);
  queue_ = std::make_unique<MailQueue>(loop, *spool_, main_log_.log, settings_, random_seed());
  build_loops();
  router_ = std::make_unique<OutboundRouter>(settings_, workers_[0]->runner);
  build_plugin_host();
  auto tls = make_tls(settings_, nullptr);
  config_fault_ = !tls;
  if (!tls) return tls.error();
  use_tls(std::move(*tls));
  finished_ = std::make_unique<FinishedStage>(workers_[0]->runner);
  queue_->on_finished([this](const FinishedRecipient& finished) { finished_->note(finished); });
  reporter_ = std::make_unique<BounceReporter>(loop, *spool_, *queue_, workers_[0]->runner, main_log_.log, workers_[0]->ids, settings_);
  queue_->connect(*router_, *courier_, *reporter_);
  for (auto& worker : workers_) worker->log.flush();
  return {};
}

Status WorkerGraph::open_spool() {
  auto storage = PosixStorage::open_directory(settings_->spool.path);
  if (!storage) return storage.error();
  storage_ = std::move(*storage);
  auto spool = open_patiently(*storage_, clock_, settings_->spool, spool_events_);
  if (!spool) return spool.error();
  spool_ = std::move(*spool);
  return {};
}

void WorkerGraph::build_loops() {
  SharedParts parts{clock_, sinks_, settings_, *spool_, *queue_, *loops_[0], pool_, memory_, connections_.get(), own_, spool_->newest_known()};
  std::vector<OutboundContext*> contexts;
  for (auto& loop : loops_) {
    workers_.push_back(std::make_unique<WorkerLoop>(*loop, parts));
    contexts.push_back(&workers_.back()->outbound);
    CrashBoard::Cell* cell = board_.cell(loop->index());
    if (cell) contexts.back()->in_hand = cell;
    workers_.back()->runner.name_in(cell);
  }
  courier_ = std::make_unique<OutboundCourier>(std::move(contexts));
}

int WorkerGraph::failed(const Error& error) {
  if (config_fault_) {
    main_log_.log.write(events::kConfigRefused, {{"text", error.text}});
    main_log_.log.flush();
    return EX_CONFIG;
  }
  const EventDef& event = error.code == Errc::busy          ? events::kSpoolLocked
                          : error.code == Errc::unsupported ? events::kSpoolVersion
                                                            : events::kWorkerFailed;
  main_log_.log.write(event, {{"spool", settings_->spool.path}, {"reason", error.text}});
  main_log_.log.flush();
  return exit_code_for(error.code);
}

int WorkerGraph::run() {
  start_threads();
  signals_ = std::make_unique<SignalWatch>(*loops_[0], handed_.life);
  main_scope_.spawn(live());
  loops_[0]->run();
  for (size_t i = 1; i < loops_.size(); ++i) loops_[i]->stop();
  for (std::thread& thread : threads_) thread.join();
  settle();
  main_log_.log.write(events::kWorkerStopped, {{"code", exit_code_}});
  return exit_code_;
}

// With every thread gone, what loops still owe each other is carried out here, so that nothing is posted to a loop that has ended.
void WorkerGraph::settle() {
  for (auto& worker : workers_) worker->cancel();
  for (int round = 0; round < 3; ++round)
    for (auto& loop : loops_) loop->run_turn(Millis(0));
}

void WorkerGraph::start_threads() {
  workers_[0]->services.enter();
  for (size_t i = 1; i < loops_.size(); ++i) {
    threads_.emplace_back([worker = workers_[i].get()] {
      name_thread("loop");
      worker->services.enter();
      worker->loop.run();
      worker->services.leave();
    });
  }
}

Task<void> WorkerGraph::live() {
  // Before the first message is looked at: also those that were stored are routed by plugins.
  bool plugins = co_await start_plugins();
  Status recovered;
  if (plugins) recovered = co_await queue_->recover();
  if (!recovered) {
    exit_code_ = failed(recovered.error());
  } else if (plugins && !signals_->stop_asked()) {
    co_await hold_suspects();
    prepare_for_local_mail();
    co_await pickup_->remember_stored();
    open_for_business();
    main_scope_.spawn(watch_certificates());
    while (!signals_->stop_asked()) {
      co_await signals_->any(Deadline::never());
      signals_->clear();
      if (signals_->take_reload()) co_await reload_logged();
    }
    co_await drain();
  }
  co_await plugins_->end(kPluginPatience);
  loops_[0]->stop();
}

// Messages that were in hand at several crashes wait for an administrator, so that the rest can be delivered.
Task<void> WorkerGraph::hold_suspects() {
  for (MessageId id : parse_suspects(getenv(kSuspectsVariable))) {
    QueueFilter filter;
    filter.ids = {id};
    filter.state = RecipientState::queued;
    auto held = co_await queue_->act(std::move(filter), QueueAction::hold, "crash");
    if (!held) main_log_.log.write(events::kWorkerFailed, {{"id", id.text()}, {"reason", held.error().text}});
  }
}

void WorkerGraph::open_for_business() {
  queue_->start();
  open_listeners();
  open_for_local_mail();
  control_ = std::make_unique<ControlServer>(control_context(), handed_.control);
  if (settings_->metrics.listen.port != 0)
    metrics_server_ = std::make_unique<MetricsServer>(*loops_[0], settings_->metrics.listen, [this] { return metrics(); }, main_log_.log);
  main_log_.log.write(events::kWorkerReady,
                      {{"loops", loops_.size()}, {"messages", queue_->counters().messages}, {"listeners", listeners_.size()}});
  if (write(handed_.status, "ready\n", 6) != 6) main_log_.log.write(events::kSupervisorNotifyFailed, {{"state", "ready"}});
}

void WorkerGraph::open_listeners() {
  for (size_t i = 0; i < handed_.listeners.size() && i < settings_->listeners.size(); ++i) {
    std::string address = settings_->listeners[i].address.text();
    auto on_accept = [this, i](int fd, Endpoint peer) { accepted(i, fd, std::move(peer)); };
    auto on_rest = [this, address](bool resting) {
      main_log_.log.write(resting ? events::kListenerPaused : events::kListenerResumed, {{"address", address}});
    };
    listeners_.push_back(std::make_unique<Listener>(*loops_[0], handed_.listeners[i], on_accept, on_rest));
    main_log_.log.write(events::kListenerOpened, {{"address", address}});
  }
}

// On the queue's loop: sessions of programs of this host may ask for its list.
void WorkerGraph::prepare_for_local_mail() {
  WorkerLoop& first = *workers_[0];
  first.context.queue_line = [](const StoredMessage& message) { return message_line_json(message); };
  PickupParts parts{first.context, first.sessions, pool_, *reporter_, [this](uint32_t uid) { return user_names_.of(uid); }};
  pickup_ = std::make_unique<DropPickup>(std::move(parts), settings_->drop);
}

void WorkerGraph::open_for_local_mail() {
  door_ = std::make_unique<LocalDoor>(workers_[0]->context, workers_[0]->sessions, handed_.submit);
  pickup_->start();
}

void WorkerGraph::accepted(size_t listener, int fd, Endpoint peer) {
  const ListenerSettings& how = settings_->listeners[listener];
  ConnectionTicket ticket;
  if (!how.proxy) {
    Admission admission = connections_->admit(peer.ip);
    note_stress();
    if (admission != Admission::ok) return refuse(fd, peer, admission, how.tls != ListenerTls::implicit);
    ticket = ConnectionTicket(*connections_, peer.ip);
  }
  // Posted to this loop too: a session that began while the loop still had the time from before it slept would have short time-outs.
  WorkerLoop& worker = *workers_[next_loop_++ % workers_.size()];
  worker.loop.post_call([&worker, fd, how, ticket = std::move(ticket)]() mutable { worker.serve_connection(fd, std::move(how), std::move(ticket)); });
}

// Seen when the next client connects; what the sessions do about it does not wait for this.
void WorkerGraph::note_stress() {
  if (stressed_ == connections_->stressed()) return;
  stressed_ = !stressed_;
  main_log_.log.write(stressed_ ? events::kSessionStress : events::kSessionStressOver, {{"connections", connections_->connections()}});
}

void WorkerGraph::refuse(int fd, const Endpoint& peer, Admission admission, bool in_clear) {
  std::string text = admission_reply(admission).wire();
  bool told = in_clear && send(fd, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
  close(fd);
  main_log_.log.write(events::kSessionRefused, {{"client", peer.text()}, {"reason", admission_name(admission)}, {"told", told}});
}

// Listening sockets stay open in the supervisor: who connects now waits in the backlog for the next worker.
Task<void> WorkerGraph::drain() {
  main_log_.log.write(events::kWorkerDraining, {{"sessions", open_sessions()}, {"patience_ms", settings_->drain.count()}});
  listeners_.clear();
  door_->stop_accepting();
  pickup_->stop();
  std::vector<std::unique_ptr<Remote<bool>>> waits;
  for (auto& worker : workers_) {
    waits.push_back(std::make_unique<Remote<bool>>(*loops_[0]));
    worker->loop.post_call([w = worker.get(), patience = settings_->drain, done = waits.back()->promise()]() mutable {
      w->wind_down(patience, std::move(done));
    });
  }
  Deadline deadline = Deadline::in(*loops_[0], settings_->drain + kDrainMargin);
  co_await queue_->drain(deadline);
  for (auto& wait : waits) co_await wait->answered(deadline);
  control_.reset();
  metrics_server_.reset();
}

uint64_t WorkerGraph::open_sessions() const { return inbound_counters().sessions; }

ControlContext WorkerGraph::control_context() {
  ControlContext out{*loops_[0], *queue_, *spool_, main_log_.log, sinks_, workers_[0]->resolver, {}, {}, {}, {}, {}, {}};
  out.info = {VEREDUS_VERSION, started_, getpid()};
  out.settings = [this] { return settings_; };
  out.reload = [this] { return reload(); };
  out.metrics = [this] { return metrics(); };
  out.open_sessions = [this] { return open_sessions(); };
  out.counters = [this] { return counters(); };
  out.plugin_command = [this](auto words, Output& output) { return plugin_command(*plugins_, std::move(words), output); };
  out.check_password = [this](std::string plugin, std::string account, std::string password) {
    return ask_password(*plugins_, std::move(plugin), std::move(account), std::move(password));
  };
  out.plugin_stats = [this](const std::string& name, bool json) { return plugin_stats_text(plugins_->stats(), name, json); };
  return out;
}

}  // namespace veredus
