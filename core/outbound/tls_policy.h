// TlsPolicy: how a connection to a next hop must be secured, and why. Values; any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/settings.h"
#include "hooks/outbound_tls.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "loop/wait.h"

namespace veredus {

// What a recipient domain publishes by MTA-STS (RFC 8461).
struct PublishedPolicy {
  enum class Mode : uint8_t { none, testing, enforce } mode = Mode::none;
  std::vector<std::string> mx;  // "mx.example.test", "*.example.test"
  std::string text;             // the policy as fetched, for reports; lines end with LF
  std::string result;           // why there is no policy although the domain announces one: a result type of RFC 8460 4.3; else empty
  std::string problem;          // the same in a sentence
};

// Plugins that know published policies (svc.tls_policy/1). The plugin host implements it. Called on the loop that is given.
class TlsPolicyPort {
 public:
  virtual ~TlsPolicyPort() = default;
  virtual bool any() const = 0;  // is there such a plugin? [any]
  // Never null: mode none when the domain has no policy, or none that can be had (then with `result`). An error means that it cannot be told
  // now: the recipient is tried again later. Destroying the task means that nobody waits any more.
  virtual Task<Result<std::shared_ptr<const PublishedPolicy>>> find(Loop& here, std::string domain, Deadline deadline) = 0;
};

}  // namespace veredus
