// AuthPort: plugins that know accounts. The plugin host implements it; sessions call it on their loop.
#pragma once

#include <string>

#include "loop/loop.h"
#include "loop/task.h"
#include "loop/wait.h"
#include "sasl/sasl.h"

namespace veredus {

class AuthPort {
 public:
  virtual ~AuthPort() = default;
  // Bits 1 << AuthKind of what the plugins chosen by `auth.providers` (all of them when empty) can answer now. [any]
  virtual uint32_t kinds() const = 0;
  // Asks them in order: the first that knows the account (ok) decides; denied only if every one denied; temporary if one could not tell
  // and none said ok. Destroying the task means that nobody waits any more.
  virtual Task<AuthAnswer> check(Loop& here, AuthQuestion question, std::string client, Deadline deadline) = 0;
};

}  // namespace veredus
