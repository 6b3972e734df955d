// Client: the command's side of the control socket. Blocking; one thread.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "control/protocol.h"

namespace veredus {

// Sends the request and copies what comes back to stdout and stderr. The daemon's exit code, or an error when it cannot be reached.
// `auth test`: the password of the file that --password-file names, else of standard input, without its line end, is put into the request.
Status add_password(ControlRequest& request);
Result<int> ask_daemon(const std::string& socket_path, const ControlRequest& request);
// Somebody listens there; who may not ask counts as yes.
bool daemon_runs(const std::string& socket_path);
// Tries until the daemon answers `status` or the time is over.
Result<int> wait_for_daemon(const std::string& socket_path, const ControlRequest& request, Millis patience);

}  // namespace veredus
