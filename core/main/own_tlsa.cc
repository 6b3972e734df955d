// Compares certificates with one's own records.
#include "main/own_tlsa.h"

#include <algorithm>
#include <set>

#include "net/certificate_facts.h"
#include "net/tls_verify.h"

namespace veredus {

namespace {

using State = DaneLookup::State;
using Infos = std::vector<TlsServer::CertificateInfo>;

std::set<uint16_t> ports_of(const Settings& settings) {
  std::set<uint16_t> out;
  for (const ListenerSettings& listener : settings.listeners)
    if (listener.role == Role::mx && listener.tls != ListenerTls::none) out.insert(listener.address.port);
  return out;
}

bool is_for(const TlsServer::CertificateInfo& one, const std::string& hostname) {
  std::vector<std::string> names{hostname};
  return !one.chain.empty() && verify_names(one.chain[0], names).fault == CertificateFault::none;
}

// Who asks for the hostname gets a certificate with that name, else the first.
bool is_shown(const TlsServer::CertificateInfo& one, const Infos& all, const std::string& hostname) {
  if (is_for(one, hostname)) return true;
  bool other = std::any_of(all.begin(), all.end(), [&](const auto& each) { return each.file != one.file && is_for(each, hostname); });
  return !other && !all.empty() && all[0].file == one.file;
}

std::string text_of(const DaneLookup& records, const TlsServer::CertificateInfo& one, const DaneVerdict& verdict) {
  auto record = make_tlsa(one.chain[0], 3, 1, 1);
  return "certificate " + one.file + " does not match the TLSA records that this host publishes at " + records.owner + ": " + verdict.text +
         "; senders with DANE would send nothing here. Publish " + (record ? records.owner + ". IN TLSA " + record->text() : "a record for it") +
         " beside the others and wait until those in caches are out of date, or keep the key when the certificate is renewed";
}

}  // namespace

Task<OwnTlsa> look_up_own_tlsa(Resolver& resolver, SettingsPtr settings, Deadline deadline) {
  OwnTlsa out;
  out.names.push_back(settings->hostname);
  for (const std::string& domain : settings->relay_domains)
    if (!domain.starts_with('.') && domain != "*") out.names.push_back(domain);
  for (uint16_t port : ports_of(*settings)) {
    DaneLookup found = co_await find_dane(resolver, settings->hostname, port, deadline);
    if (found.state == State::records && !found.tlsa.usable.empty()) out.published.push_back(std::move(found));
  }
  co_return out;
}

std::string contradiction(const OwnTlsa& own, const TlsServer::CertificateInfo& one, const Infos& all, const std::string& hostname, WallTime now) {
  if (one.chain.empty() || !is_shown(one, all, hostname)) return {};
  for (const DaneLookup& records : own.published) {
    DaneVerdict verdict = match_dane(records.tlsa, one.chain, own.names, now);
    if (!verdict.matched) return text_of(records, one, verdict);
  }
  return {};
}

}  // namespace veredus
