// Which TLSA records hold for one host (RFC 7672 2.2.2, 3.2.2): only where its address records and the TLSA records themselves are
// authentic; of an alias the canonical name goes first. On the resolver's loop.
#pragma once

#include <string>
#include <vector>

#include "net/dane.h"
#include "net/resolver.h"

namespace veredus {

struct DaneLookup {
  enum class State : uint8_t {
    no_addresses,  // the host has none
    failed,        // DNS did not answer, or bogus: mail waits, and is never sent as if there were no records
    insecure,      // the host's zone, or that of the TLSA records, is not signed, or it is an address: DANE does not apply
    none,          // proven: there are no records
    records,       // there are; see `tlsa`
  } state = State::failed;
  bool bogus = false;
  bool secure_addresses = false;     // A and AAAA are authentic, the whole way of an alias too
  std::string canonical;             // of the host; the host itself when it is no alias
  std::string base;                  // the name that TLSA was looked up for: "mx.example.test"
  std::string owner;                 // "_25._tcp.mx.example.test"
  std::vector<IpAddress> addresses;  // IPv6 first
  TlsaSet tlsa;
  std::string problem;               // one sentence when failed, insecure or without addresses
};

Task<DaneLookup> find_dane(Resolver& resolver, std::string host, uint16_t port, Deadline deadline);

}  // namespace veredus
