// Certificates in the worker: loaded at the start and by a reload, looked at again every few seconds, and given to the loops.
#include <algorithm>

#include "log/events.h"
#include "main/own_tlsa.h"
#include "main/tls_options.h"
#include "main/worker_graph.h"

namespace veredus {

namespace {

constexpr Millis kAlmostOver{3 * 86'400'000};
constexpr Millis kLookAgain{3'000};
constexpr Millis kDnsPatience{5'000};
constexpr Seconds kAskAgain{3'600};  // DNS whether the certificates in use still fit

}  // namespace

// Blocks for the files. [any thread]
Result<std::shared_ptr<TlsServer>> WorkerGraph::make_tls(SettingsPtr settings, std::shared_ptr<TlsServer> before) {
  auto report = [this](bool refused, std::string text) {
    auto tell = [this, refused, text = std::move(text)] { main_log_.log.write(refused ? events::kTlsRefused : events::kTlsAttention, {{"text", text}}); };
    loops_[0]->post_call(std::move(tell));
  };
  TlsServerOptions options = tls_server_options(*settings);
  options.pool = &pool_;
  return TlsServer::make(std::move(options), tables_, std::move(report), clock_, before.get());
}

void WorkerGraph::use_tls(std::shared_ptr<TlsServer> fresh) {
  tls_ = std::move(fresh);
  for (const TlsServer::CertificateInfo& one : tls_->certificates())
    main_log_.log.write(events::kTlsCertificate, {{"file", one.file}, {"subject", one.subject}, {"expires", iso8601(one.expires)}, {"fingerprint", one.fingerprint}});
  for (auto& worker : workers_) worker->loop.post_call([w = worker.get(), tls = tls_] { w->context.tls = tls; });
}

Task<void> WorkerGraph::watch_certificates() {
  Loop& loop = *loops_[0];
  MonoTime ask_dns = loop.now();
  for (;;) {
    if (loop.now() >= ask_dns) {
      co_await tell_contradictions();
      ask_dns = loop.now() + kAskAgain;
    }
    co_await sleep_for(loop, kLookAgain);
    std::function<Result<bool>()> changed = [tls = tls_]() -> Result<bool> { return tls->files_changed(); };
    auto found = co_await run_on(loop, pool_, std::move(changed));
    if (found && *found) co_await take_renewed();
  }
}

// DNS is asked first, so that what is renewed is compared with what is published now.
Task<void> WorkerGraph::take_renewed() {
  Loop& loop = *loops_[0];
  OwnTlsa own = co_await look_up_own_tlsa(workers_[0]->resolver, settings_, Deadline::in(loop, kDnsPatience));
  TlsServer::Accept accept = [own, all = tls_->certificates(), hostname = settings_->hostname, this](const TlsServer::CertificateInfo& renewed) -> Status {
    std::string problem = contradiction(own, renewed, all, hostname, clock_.wall());
    if (!problem.empty()) return fail(Errc::invalid, problem);
    return {};
  };
  std::function<Result<bool>()> look = [tls = tls_, accept = std::move(accept)]() -> Result<bool> { return tls->look_for_changes(accept), true; };
  auto looked = co_await run_on(loop, pool_, std::move(look));
  if (!looked) main_log_.log.write(events::kTlsRefused, {{"text", looked.error().text}});
}

// Certificates in use stay in use: without one, nobody could send mail encrypted.
Task<void> WorkerGraph::tell_contradictions() {
  std::shared_ptr<TlsServer> tls = tls_;
  auto all = tls->certificates();
  if (all.empty()) co_return;
  OwnTlsa own = co_await look_up_own_tlsa(workers_[0]->resolver, settings_, Deadline::in(*loops_[0], kDnsPatience));
  for (const TlsServer::CertificateInfo& one : all) {
    std::string problem = contradiction(own, one, all, settings_->hostname, clock_.wall());
    if (one.expires - clock_.wall() < kAlmostOver)
      main_log_.log.write(events::kTlsAttention, {{"text", "certificate " + one.file + " is in use and expires on " + iso8601(one.expires).substr(0, 10) + "; renew it"}});
    if (!problem.empty()) main_log_.log.write(events::kTlsTlsaMismatch, {{"file", one.file}, {"text", problem}});
  }
}

// Of certificates that are not in use yet.
Task<Status> WorkerGraph::check_new_certificates(SettingsPtr settings, std::shared_ptr<TlsServer> fresh) {
  auto all = fresh->certificates(), used = tls_->certificates();
  if (all.empty()) co_return Status();
  OwnTlsa own = co_await look_up_own_tlsa(workers_[0]->resolver, settings, Deadline::in(*loops_[0], kDnsPatience));
  for (const TlsServer::CertificateInfo& one : all) {
    bool known = std::any_of(used.begin(), used.end(), [&](const auto& each) { return each.fingerprint == one.fingerprint; });
    std::string problem = known ? std::string() : contradiction(own, one, all, settings->hostname, clock_.wall());
    if (!problem.empty()) co_return fail(Errc::invalid, problem);
  }
  co_return Status();
}

}  // namespace veredus
