// What each loop owns, how it winds down, and what it does at the end of a turn.
#include "main/worker_loop.h"

#include "main/severity.h"
#include "outbound/courier.h"

namespace veredus {

WorkerLoop::WorkerLoop(Loop& l, const SharedParts& parts)
    : loop(l),
      log(parts.clock, parts.sink, severity_of(parts.settings->log_level)),
      ids(parts.clock, l.index(), parts.newest_known),
      resolver(l, log, *parts.settings),
      runner(l, log, std::make_shared<const HookSet>()),
      context(l, parts.settings, parts.spool, parts.queue, runner, log, ids, parts.memory, parts.connections),
      outbound(l, resolver, parts.spool, log, parts.queue.port(), runner, parts.own),
      sessions(l),
      chores_(l) {
  context.resolver = &resolver;
  loop.at_turn_end(this);
}

WorkerLoop::~WorkerLoop() { loop.forget_turn_end(this); }

void WorkerLoop::serve_connection(int fd, ListenerSettings listener, ConnectionTicket ticket) {
  auto stream = adopt_stream(loop, fd);
  if (stream) sessions.spawn(serve(context, std::move(*stream), std::move(listener), std::move(ticket)));
}

void WorkerLoop::reconfigure(SettingsPtr settings) {
  log.set_threshold(severity_of(settings->log_level));
  resolver.reconfigure(*settings);
  context.reconfigure(std::move(settings));
}

void WorkerLoop::wind_down(Millis patience, Remote<bool>::Promise done) {
  context.stop();
  chores_.spawn(finish(patience, std::move(done)));
}

Task<void> WorkerLoop::finish(Millis patience, Remote<bool>::Promise done) {
  Deadline deadline = Deadline::in(loop, patience);
  bool delivered = co_await OutboundCourier::drain(outbound, deadline);
  bool served = co_await sessions.idle(deadline);
  sessions.cancel();
  done.fulfil(delivered && served);
}

void WorkerLoop::cancel() {
  sessions.cancel();
  outbound.scope.cancel();
}

void WorkerLoop::turn_end() {
  inbound_counters_.write(context.counters);
  dns_counts_.write(resolver.counts());
  log.flush();
}

}  // namespace veredus
