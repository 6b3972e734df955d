// Status and metrics: the counters of all loops, of the queue and of the spool, as one text.
#include "control/metrics.h"

#include <array>

#include "main/worker_graph.h"
#include "plugin/plugin_metrics.h"
#include "plugin/service_calls.h"

namespace veredus {

namespace {

void add_auth(MetricsText& out, std::string_view loop, const InboundCounters& c) {
  auto names = sasl_mechanisms();
  for (size_t i = 0; i < c.auth.size(); ++i) {
    std::string_view mechanism = i < names.size() ? names[i] : "none";
    const InboundCounters::Auth& of = c.auth[i];
    if (of.accepted + of.refused + of.temporary + of.blocked == 0) continue;
    out.add(metrics::kAuthAttempts, {loop, mechanism, "accepted"}, of.accepted);
    out.add(metrics::kAuthAttempts, {loop, mechanism, "refused"}, of.refused);
    out.add(metrics::kAuthAttempts, {loop, mechanism, "temporary"}, of.temporary);
    out.add(metrics::kAuthAttempts, {loop, mechanism, "blocked"}, of.blocked);
  }
}

void add_inbound(MetricsText& out, std::string_view loop, const InboundCounters& c) {
  out.add(metrics::kSessions, {loop}, c.sessions);
  out.add(metrics::kSessionsOpened, {loop}, c.connections);
  out.add(metrics::kSessionsRefused, {loop}, c.connections_refused);
  out.add(metrics::kSessionTimeouts, {loop}, c.timeouts);
  out.add(metrics::kSessionEarlyTalkers, {loop}, c.early_talkers);
  out.add(metrics::kSessionTooManyErrors, {loop}, c.too_many_errors);
  out.add(metrics::kMessagesAccepted, {loop}, c.messages_accepted);
  out.add(metrics::kOctetsAccepted, {loop}, c.octets_accepted);
  out.add(metrics::kMessagesRefused, {loop}, c.messages_refused);
  out.add(metrics::kMessagesAborted, {loop}, c.messages_aborted);
  out.add(metrics::kMessagesNotStored, {loop}, c.messages_not_stored);
  out.add(metrics::kMessagesDiscarded, {loop}, c.messages_discarded);
  out.add(metrics::kMessagesSpilled, {loop}, c.spilled);
  out.add(metrics::kTlsServer, {loop, "full"}, c.tls_handshakes - c.tls_resumed);
  out.add(metrics::kTlsServer, {loop, "resumed"}, c.tls_resumed);
  out.add(metrics::kTlsServer, {loop, "failed"}, c.tls_failed);
  out.add(metrics::kTlsVersions, {loop, "TLS1.3"}, c.tls_1_3);
  out.add(metrics::kTlsVersions, {loop, "TLS1.2"}, c.tls_handshakes - c.tls_1_3);
  add_auth(out, loop, c);
  out.add(metrics::kRecipientsRefused, {loop}, c.recipients_refused);
}

void add_outbound(MetricsText& out, std::string_view loop, const OutboundCounters& c) {
  out.add(metrics::kConnections, {loop}, c.connections_now.load());
  out.add(metrics::kConnectionsOpened, {loop}, c.connections.load());
  out.add(metrics::kConnectionsFailed, {loop}, c.connections_failed.load());
  out.add(metrics::kConnectionsStale, {loop}, c.stale.load());
  out.add(metrics::kTlsClient, {loop, "full"}, c.tls.load() - c.tls_resumed.load());
  out.add(metrics::kTlsClient, {loop, "resumed"}, c.tls_resumed.load());
  out.add(metrics::kTlsClient, {loop, "failed"}, c.tls_failed.load());
  out.add(metrics::kAttempts, {loop}, c.transactions.load());
  out.add(metrics::kAttemptsUncertain, {loop}, c.uncertain.load());
}

void add_plugin(MetricsText& out, const PluginStats& plugin) {
  std::array<uint64_t, HookStats::kBuckets> buckets{};
  std::array<double, HookStats::kBuckets - 1> limits{};
  for (size_t i = 0; i < limits.size(); ++i) limits[i] = static_cast<double>(HookStats::bucket_limit(i)) / 1e9;
  uint64_t nanos = 0, pending = 0;
  for (const StageStats& stage : plugin.stages) {
    std::string_view name = stage_info(stage.stage).name;
    out.add(metrics::kPluginCalls, {plugin.plugin, name}, stage.hooks.calls);
    out.add(metrics::kPluginFaults, {plugin.plugin, name}, stage.hooks.faults);
    out.add(metrics::kPluginTimeouts, {plugin.plugin, name}, stage.hooks.timeouts);
    out.add(metrics::kPluginSlow, {plugin.plugin, name}, stage.hooks.slow);
    for (size_t i = 0; i < buckets.size(); ++i) buckets[i] += stage.hooks.histogram[i];
    nanos += stage.hooks.nanos;
    pending += stage.pending;
  }
  out.add(metrics::kPluginPending, {plugin.plugin}, pending);
  out.add(metrics::kPluginMisdeeds, {plugin.plugin}, plugin.misdeeds);
  out.add_histogram(metrics::kPluginSeconds, plugin.plugin, buckets, limits, static_cast<double>(nanos) / 1e9);
}

void add_services(MetricsText& out) {
  for (size_t i = 0; i < kServiceKinds; ++i) {
    auto kind = static_cast<ServiceKind>(i);
    ServiceStats stats = ServiceCalls::stats(kind);
    out.add(metrics::kServiceAnswers, {service_name(kind), "answered"}, stats.answered);
    out.add(metrics::kServiceAnswers, {service_name(kind), "failed"}, stats.failed);
    out.add(metrics::kServiceAnswers, {service_name(kind), "spared"}, stats.spared);
  }
}

}  // namespace

InboundCounters WorkerGraph::inbound_counters() const {
  InboundCounters out;
  for (const auto& worker : workers_) {
    InboundCounters one = worker->inbound_counters();
    out.sessions += one.sessions;
    out.recipients_discarded += one.recipients_discarded;
  }
  return out;
}

QueueCounters WorkerGraph::counters() const {
  QueueCounters out = queue_->counters();
  uint64_t discarded = inbound_counters().recipients_discarded;
  out.accepted += discarded;
  out.discarded += discarded;
  return out;
}

std::string WorkerGraph::metrics() const {
  MetricsText out;
  out.add_process(VEREDUS_VERSION, started_);
  out.add(metrics::kMessageMemory, memory_.used());
  out.add(metrics::kLogDropped, stderr_sink_.dropped());
  out.add_queue(counters());
  for (const auto& worker : workers_) {
    std::string loop = std::to_string(worker->loop.index());
    add_inbound(out, loop, worker->inbound_counters());
    add_outbound(out, loop, worker->outbound.counters);
    out.add_dns(worker->loop.index(), worker->dns_counts());
  }
  for (size_t i = 0; i < listeners_.size(); ++i)
    out.add(metrics::kListenerStarved, {settings_->listeners[i].address.text()}, listeners_[i]->starved());
  out.add_spool(spool_->status());
  for (const PluginStats& plugin : plugins_->stats()) add_plugin(out, plugin);
  add_services(out);
  return out.text() + PluginMetrics::text();
}

}  // namespace veredus
