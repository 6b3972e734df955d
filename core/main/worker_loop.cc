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
      http(l, http_options(resolver)),
      runner(l, log, std::make_shared<const HookSet>()),
      context(l, parts.settings, parts.spool, parts.queue, runner, log, ids, parts.memory, parts.connections),
      outbound(l, resolver, parts.spool, log, parts.queue.port(), runner, parts.own),
      injector(l, parts.spool, parts.queue, runner, log, ids, parts.settings),
      services(l, log),
      sessions(l),
      chores_(l) {
  runner.set_slow(parts.settings->plugins.slow);
  context.resolver = &resolver;
  services.runner = &runner;
  services.pool = &parts.pool;
  services.resolver = &resolver;
  services.builtin_resolver = &resolver.builtin();
  services.http = &http;
  services.queue = &parts.queue;
  services.queue_loop = &parts.queue_loop;
  services.inject = [this](Message message) { return inject(this, std::move(message)); };
  services.settings = [this] { return context.settings; };
  loop.at_turn_end(this);
}

WorkerLoop::~WorkerLoop() { loop.forget_turn_end(this); }

HttpClientOptions WorkerLoop::http_options(Resolver& resolver) {
  HttpClientOptions out;
  out.resolver = &resolver;
  return out;
}

Task<Result<std::vector<MessageId>>> WorkerLoop::inject(WorkerLoop* worker, Message message) {
  HookState state = worker->runner.begin();
  message.envelope.id = worker->ids.next();
  auto injected = co_await worker->injector.inject(std::move(message), state);
  co_return injected;
}

void WorkerLoop::serve_connection(int fd, ListenerSettings listener, ConnectionTicket ticket) {
  auto stream = adopt_stream(loop, fd);
  if (stream) sessions.spawn(serve(context, std::move(*stream), std::move(listener), std::move(ticket)));
}

void WorkerLoop::reconfigure(SettingsPtr settings) {
  log.set_threshold(severity_of(settings->log_level));
  resolver.reconfigure(*settings);
  runner.set_slow(settings->plugins.slow);
  injector.reconfigure(settings);
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
