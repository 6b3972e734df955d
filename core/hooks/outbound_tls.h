// OutboundTls: what was settled about the security of one connection to a next hop. A value; any thread.
#pragma once

#include <string>

#include "base/address_ip.h"

namespace veredus {

// How one attempt to secure a connection ended: what TLS reports count (RFC 8460), shown to hooks at `connected`.
struct OutboundTls {
  std::string host;            // MX name
  IpAddress remote, source;    // addresses of both sides
  std::string level;           // the policy in force: "dane", "verify" ...
  std::string type;            // "tlsa", "sts", "no-policy-found"
  std::string domain;          // policy domain
  std::string text;            // the policy itself, a line each: TLSA records, or the STS policy
  std::string mx_patterns;     // "sts": a line each
  std::string result;          // "success", or a result type of RFC 8460 4.3
  std::string problem;         // one sentence when not a success
  std::string tls;             // "TLS1.3 CIPHER"; empty: clear
  bool resumed = false;
  bool testing = false;        // a failure that policy in mode testing lets pass
};

}  // namespace veredus
