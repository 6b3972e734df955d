// Plugins in the worker: what they may use, their start, and their part of a reload.
#include <sysexits.h>

#include "main/worker_graph.h"
#include "plugin/providers_auth.h"
#include "plugin/providers_deliver.h"
#include "plugin/providers_logsink.h"
#include "plugin/providers_table.h"
#include "plugin/providers_tls_policy.h"

namespace veredus {

namespace {

std::vector<std::string> helper_names(const Settings& settings) {
  std::vector<std::string> out;
  for (const HelperSettings& helper : settings.helpers) out.push_back(helper.name);
  return out;
}

}  // namespace

struct PluginPorts {
  PluginPorts(PluginHost& host, FanOutSink& fan_out) : deliver(host), router(host), auth(host), tables(host), tls_policies(host), log(host), sinks(fan_out) { sinks.add(&log); }
  ~PluginPorts() { sinks.remove(&log); }

  PluginDeliverPort deliver;
  PluginRouterPort router;
  PluginAuthPort auth;
  PluginTablePort tables;
  PluginTlsPolicyPort tls_policies;
  PluginLogSinks log;
  FanOutSink& sinks;
};

void WorkerGraph::build_plugin_host() {
  helpers_ = std::make_unique<HelperHub>(*loops_[0], main_log_.log, helper_names(*settings_), handed_.helpers);
  std::vector<LoopServices*> services;
  for (auto& worker : workers_) {
    worker->services.helpers = helpers_.get();
    services.push_back(&worker->services);
  }
  plugins_ = std::make_unique<PluginHost>(std::move(services));
  ports_ = std::make_shared<PluginPorts>(*plugins_, sinks_);
  tables_ = &ports_->tables;
  for (auto& worker : workers_) {
    worker->outbound.deliver_port = &ports_->deliver;
    worker->outbound.credentials.use(tables_, &worker->http, &pool_);
    worker->outbound.tls_policies = &ports_->tls_policies;
    worker->outbound.anchors = &anchors_;
    worker->context.auth = &ports_->auth;
    worker->context.tables = tables_;
    worker->context.guard = guard_.get();
    worker->context.accounts = accounts_.get();
  }
  router_->use(&ports_->router);
  router_->use(tables_);
}

// The embedded store is opened when there are plugins that could ask it; who has none has no such file.
Status WorkerGraph::open_kv(const std::vector<PreparedPlugin>& plugins) {
  if (kv_ || plugins.empty() || !settings_->kv.store.empty()) return {};
  KvStoreOptions options;
  options.path = settings_->kv.path;
  auto opened = KvStore::open(std::move(options), clock_, sinks_);
  if (!opened) return opened.error();
  kv_ = std::move(*opened);
  for (auto& worker : workers_) worker->services.kv = kv_.get();
  return {};
}

Task<bool> WorkerGraph::start_plugins() {
  if (Status opened = open_kv(first_plugins_); !opened) {
    exit_code_ = failed(opened.error());
    co_return false;
  }
  auto prepared = co_await plugins_->prepare(std::move(first_plugins_), settings_);
  if (prepared) plugins_->commit(std::move(*prepared));
  if (!prepared) exit_code_ = EX_CONFIG;  // the event of the plugin host says why
  co_return prepared.ok();
}

Task<Result<std::shared_ptr<Generation>>> WorkerGraph::prepare_plugins_beside(PreparedConfig config) {
  if (Status opened = open_kv(config.plugins); !opened) co_return opened.error();
  auto prepared = co_await plugins_->prepare(std::move(config.plugins), config.config.settings);
  co_return prepared;
}

}  // namespace veredus
