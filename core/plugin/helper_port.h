// HelperPort: programs that the supervisor keeps running for plugins, as the plugin host sees them: a request there, an answer back.
// core/main implements it over socket pairs; tests have their own.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "loop/task.h"
#include "loop/wait.h"
#include "plugin/unique_fd.h"

namespace veredus {

struct HelperReply {
  std::string octets;
  UniqueFd fd;  // most answers carry none
};

class HelperPort {
 public:
  static constexpr size_t kMostOctets = 1 << 20;  // of a request or an answer

  virtual ~HelperPort() = default;
  virtual bool known(std::string_view name) const = 0;  // [any] is there such a helper in the configuration that was started?
  // [any loop] Waits for a helper that is being started. Errors: closed (it ended; nobody knows what it did), timeout, not_found, busy.
  // Destroying the task is cancelling; what was sent may still be carried out.
  virtual Task<Result<HelperReply>> call(Loop& here, std::string name, std::string octets, UniqueFd fd, Deadline deadline) = 0;
};

}  // namespace veredus
