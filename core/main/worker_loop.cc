// What each loop owns, and what it does at the end of a turn.
#include "main/worker_loop.h"

#include <cstring>

#include "main/resolver_setup.h"

namespace veredus {

static_assert(sizeof(InboundCounters) % sizeof(uint64_t) == 0);

WorkerLoop::WorkerLoop(Loop& l, SharedParts parts)
    : loop(l),
      log(parts.clock, parts.sink, severity_of(parts.settings->log_level)),
      ids(parts.clock, l.index(), parts.newest_known),
      resolver(make_worker_resolver(l, *parts.settings)),
      context(l, parts.settings, parts.spool, parts.queue, hooks, log, ids, parts.memory, parts.connections),
      sessions(l) {
  loop.at_turn_end(this);
}

WorkerLoop::~WorkerLoop() { loop.forget_turn_end(this); }

void WorkerLoop::serve_connection(int fd, ListenerSettings listener, ConnectionTicket ticket) {
  auto stream = adopt_stream(loop, fd);
  if (stream) sessions.spawn(serve(context, std::move(*stream), std::move(listener), std::move(ticket)));
}

void WorkerLoop::reconfigure(SettingsPtr settings) {
  log.set_threshold(severity_of(settings->log_level));
  context.reconfigure(std::move(settings));
}

InboundCounters WorkerLoop::published() const {
  uint64_t words[kWords];
  for (size_t i = 0; i < kWords; ++i) words[i] = published_[i].load(std::memory_order_relaxed);
  InboundCounters out;
  std::memcpy(&out, words, sizeof out);
  return out;
}

void WorkerLoop::turn_end() {
  uint64_t words[kWords];
  std::memcpy(words, &context.counters, sizeof words);
  for (size_t i = 0; i < kWords; ++i) published_[i].store(words[i], std::memory_order_relaxed);
  log.flush();
}

}  // namespace veredus
