// Certificates in the worker: loaded at the start and by a reload, looked at again every few seconds, and given to the loops.
#include "log/events.h"
#include "main/worker_graph.h"

namespace veredus {

namespace {

constexpr Millis kLookAgain{3'000};

std::string place_of(const Settings& settings, size_t index) {
  for (const std::string& name : {"tls.certificates[" + std::to_string(index) + "]", std::string("tls.certificates")})
    if (auto place = settings.origins.find(name); place != settings.origins.end()) return place->second;
  return {};
}

TlsServerOptions options_of(const Settings& settings, WorkPool& pool) {
  TlsServerOptions out;
  for (size_t i = 0; i < settings.tls.certificates.size(); ++i) {
    const CertificateSettings& pair = settings.tls.certificates[i];
    out.certificates.push_back({pair.cert, pair.key, place_of(settings, i)});
  }
  out.table = settings.tls.certificate_table;
  out.cache = settings.tls.certificate_cache;
  out.priority = settings.tls.priority;
  out.client_ca = settings.tls.client_ca;
  out.ask_client = settings.tls.ask_client;
  out.tickets = settings.tls.tickets;
  out.pool = &pool;
  return out;
}

}  // namespace

// Blocks for the files. [any thread]
Result<std::shared_ptr<TlsServer>> WorkerGraph::make_tls(SettingsPtr settings, std::shared_ptr<TlsServer> before) {
  auto report = [this](bool refused, std::string text) {
    auto tell = [this, refused, text = std::move(text)] { main_log_.log.write(refused ? events::kTlsRefused : events::kTlsAttention, {{"text", text}}); };
    loops_[0]->post_call(std::move(tell));
  };
  return TlsServer::make(options_of(*settings, pool_), tables_, std::move(report), clock_, before.get());
}

void WorkerGraph::use_tls(std::shared_ptr<TlsServer> fresh) {
  tls_ = std::move(fresh);
  for (const TlsServer::CertificateInfo& one : tls_->certificates())
    main_log_.log.write(events::kTlsCertificate, {{"file", one.file}, {"subject", one.subject}, {"expires", iso8601(one.expires)}, {"fingerprint", one.fingerprint}});
  for (auto& worker : workers_) worker->loop.post_call([w = worker.get(), tls = tls_] { w->context.tls = tls; });
}

Task<void> WorkerGraph::watch_certificates() {
  for (;;) {
    co_await sleep_for(*loops_[0], kLookAgain);
    std::function<Result<bool>()> look = [tls = tls_]() -> Result<bool> { return tls->look_for_changes(), true; };
    auto looked = co_await run_on(*loops_[0], pool_, std::move(look));
    if (!looked) main_log_.log.write(events::kTlsRefused, {{"text", looked.error().text}});
  }
}

}  // namespace veredus
