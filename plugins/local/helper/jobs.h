// One request, in a process of its own: who it is for, becoming that user, the work.
#pragma once

#include <sys/types.h>

#include "local/wire.h"
#include "options.h"

namespace local {

// Does what the request says and returns the answer. The process has the user's identity from then on. `message`: a descriptor, or -1.
Fields do_job(const HelperOptions& options, const Fields& request, int message, pid_t parent);

}  // namespace local
