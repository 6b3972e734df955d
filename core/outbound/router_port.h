// RouterPort: plugins that choose next hops. The plugin host implements it; the router calls it for next hops "router:NAME". Called on the
// queue's loop.
#pragma once

#include <memory>
#include <string>

#include "loop/loop.h"
#include "loop/task.h"
#include "mail/envelope.h"
#include "smtp/reply.h"

namespace veredus {

struct RouteAnswer {
  std::string next_hop;  // "A|B*3,C" (config/settings.h); empty: the next route that matches decides
  std::string pool;      // of sources; empty = the route's
  Reply failure;         // code 0 = none; 5xx: the recipient fails for good
};

class RouterPort {
 public:
  virtual ~RouterPort() = default;
  // A plugin that is not there, faults or takes too long answers a temporary failure. Destroying the task means that nobody waits any more.
  virtual Task<RouteAnswer> route(Loop& here, std::string name, std::shared_ptr<const Envelope> envelope, uint32_t recipient) = 0;
};

}  // namespace veredus
