// WorkerLoop: what one loop of the worker owns besides the loop itself: its log, ids, resolver, hooks, sessions and deliveries. Built on
// the main thread before the loop runs; touched by the loop's thread only until that has ended.
#pragma once

#include <memory>

#include "base/ids.h"
#include "bounce/injector.h"
#include "hooks/runner.h"
#include "inbound/session.h"
#include "inbound/session_context.h"
#include "log/log.h"
#include "loop/loop.h"
#include "loop/remote.h"
#include "loop/scope.h"
#include "main/published.h"
#include "main/worker_resolver.h"
#include "net/http_client.h"
#include "outbound/context.h"
#include "plugin/loop_services.h"
#include "queue/mail_queue.h"

namespace veredus {

struct SharedParts {  // of all loops
  const Clock& clock;
  LogSink& sink;
  SettingsPtr settings;
  Spool& spool;
  MailQueue& queue;
  Loop& queue_loop;
  WorkPool& pool;
  MemoryBudget& memory;
  ConnectionTable* connections;
  const OwnAddresses& own;
  MessageId newest_known;
};

class WorkerLoop final : TurnEnd {
 public:
  WorkerLoop(Loop& loop, const SharedParts& parts);
  ~WorkerLoop() override;

  // [loop] all of them
  void serve_connection(int fd, ListenerSettings listener, ConnectionTicket ticket);  // takes over the descriptor
  void reconfigure(SettingsPtr settings);
  // No new work; `done` is fulfilled when sessions and deliveries have ended, by themselves or because the time is over.
  void wind_down(Millis patience, Remote<bool>::Promise done);
  void cancel();

  // [any] counters of the last turn, for status and metrics
  InboundCounters inbound_counters() const { return inbound_counters_.read(); }
  StubResolver::Counts dns_counts() const { return dns_counts_.read(); }

  Loop& loop;
  Log log;
  IdGenerator ids;
  WorkerResolver resolver;
  HttpClient http;
  Runner runner;
  SessionContext context;
  OutboundContext outbound;
  Injector injector;
  LoopServices services;  // for plugins
  Scope sessions;

 private:
  void turn_end() override;
  Task<void> finish(Millis patience, Remote<bool>::Promise done);
  static HttpClientOptions http_options(Resolver& resolver);
  static Task<Result<std::vector<MessageId>>> inject(WorkerLoop* worker, Message message);

  Published<InboundCounters> inbound_counters_;
  Published<StubResolver::Counts> dns_counts_;
  Scope chores_;
};

}  // namespace veredus
