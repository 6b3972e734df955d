// WorkerLoop: what one loop of the worker owns besides the loop itself: its log, ids, resolver, sessions. Built on the main thread
// before the loop runs; touched by the loop's thread only until that has ended.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "base/ids.h"
#include "inbound/session.h"
#include "inbound/session_context.h"
#include "inbound/stage_calls.h"
#include "log/log.h"
#include "loop/loop.h"
#include "loop/scope.h"
#include "net/resolver.h"

namespace veredus {

struct SharedParts {  // of all loops
  const Clock& clock;
  LogSink& sink;
  SettingsPtr settings;
  Spool& spool;
  Queue& queue;
  MemoryBudget& memory;
  ConnectionTable* connections;
  MessageId newest_known;
};

class WorkerLoop final : TurnEnd {
 public:
  WorkerLoop(Loop& loop, SharedParts parts);
  ~WorkerLoop() override;

  void serve_connection(int fd, ListenerSettings listener, ConnectionTicket ticket);  // [loop] takes over the descriptor
  void reconfigure(SettingsPtr settings);                                               // [loop]
  void stop_sessions() { context.stop(); }                                             // [loop]
  void cancel() { sessions.cancel(); }                                                 // [loop]

  Loop& loop;
  Log log;
  IdGenerator ids;
  std::unique_ptr<Resolver> resolver;
  NoHooks hooks;
  SessionContext context;
  Scope sessions;

  // Counters of the last turn, for status and metrics. [any]
  InboundCounters published() const;

 private:
  void turn_end() override;
  static constexpr size_t kWords = sizeof(InboundCounters) / sizeof(uint64_t);
  std::atomic<uint64_t> published_[kWords] = {};
};

}  // namespace veredus
