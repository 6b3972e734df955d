// The helper's loop: frames from the daemon, a child for each, answers back in any order.
#pragma once

#include "options.h"

namespace local {

constexpr int kDaemonSocket = 3;

// Ends when the daemon closes its end, or with SIGTERM. An exit code.
int serve(const HelperOptions& options, int socket);

}  // namespace local
