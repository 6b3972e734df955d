// OwnTlsa: what this host publishes about its own certificates, and which of them contradict it: no client with DANE would send mail any more.
// Looked up on the resolver's loop; then a value, for any thread.
#pragma once

#include <string>
#include <vector>

#include "config/settings.h"
#include "net/dane_lookup.h"
#include "net/tls.h"

namespace veredus {

struct OwnTlsa {
  std::vector<DaneLookup> published;  // one for each port on which mail for others comes in; only those that bind
  std::vector<std::string> names;     // that a certificate may be for
};

// Asks for the TLSA records of the hostname and the ports of listeners of role mx. Where DNS does not answer, or is not signed, nothing binds.
Task<OwnTlsa> look_up_own_tlsa(Resolver& resolver, SettingsPtr settings, Deadline deadline);

// What is wrong with a certificate and what to do; empty: it may be shown. `all`: every certificate, to see which clients get.
std::string contradiction(const OwnTlsa& own, const TlsServer::CertificateInfo& one, const std::vector<TlsServer::CertificateInfo>& all,
                          const std::string& hostname, WallTime now);

}  // namespace veredus
