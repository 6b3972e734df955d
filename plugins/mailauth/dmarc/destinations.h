// Where reports go: the addresses of a record, those outside the domain only with the consent of who gets them (RFC 9990). One loop.
#pragma once

#include "mailauth/dmarc/discovery.h"

namespace mailauth {

struct Destination {
  std::string address;
  uint64_t most = 0;    // octets of a message; 0: no limit
  std::string problem;  // not empty: nothing is sent there, and why
  bool later = false;   // DNS does not tell now
};

// `policy`: what record_at() found where reports are asked for. In the order of the record; `address` of one that cannot be used is its
// URI.
vrd::Task<std::vector<Destination>> destinations_of(Dns& dns, Discovery& discovery, RecordAt policy);

}  // namespace mailauth
