// Resolver: asynchronous DNS as every part of the daemon sees it. One per loop; answers are cached per resolver with a bound.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/address_ip.h"
#include "base/clock.h"
#include "base/result.h"
#include "loop/task.h"
#include "loop/wait.h"

namespace veredus {

enum class DnsType : uint16_t { a = 1, ns = 2, cname = 5, soa = 6, ptr = 12, mx = 15, txt = 16, aaaa = 28, tlsa = 52 };
enum class DnsStatus : uint8_t { ok, no_data, no_name, timeout, server_failure, refused, malformed };

struct DnsRecord {
  DnsType type{};
  std::string name;        // owner, lower case, no trailing dot
  uint32_t ttl = 0;
  uint16_t preference = 0;  // MX
  std::string text;        // MX/CNAME/PTR/NS target in lower case without dot ("" = root: null MX); TXT strings joined
  IpAddress address;       // A, AAAA
  std::string octets;      // TLSA: usage, selector, matching type, data; whatever the zone holds, also nothing (dane.h judges it)
};

struct DnsAnswer {
  DnsStatus status = DnsStatus::server_failure;
  bool authentic = false;   // AD bit from a trusted resolver
  bool bogus = false;       // SERVFAIL that goes away with CD set
  std::string canonical;    // last name of the CNAME chain
  std::vector<DnsRecord> records;  // of the asked type, CNAMEs followed; at most 100, of TLSA 4000
  uint32_t ttl = 0;
  std::string server;       // who answered
  std::string problem;      // one sentence when status is not ok
  bool temporary() const { return status >= DnsStatus::timeout; }
};

class Resolver {
 public:
  virtual ~Resolver() = default;
  // The shared answer stays valid for whoever holds it.
  virtual Task<std::shared_ptr<const DnsAnswer>> query(std::string name, DnsType type, Deadline deadline) = 0;
};

}  // namespace veredus
