// LocalPeer: a program of this host that hands in mail over the submission socket, as the kernel and as itself
// tell; or a file of the drop directory. Value.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/ids.h"

namespace veredus {

struct LocalPeer {
  // Known for sure.
  uint32_t uid = 0;
  int pid = 0;
  std::string user;    // its name, or "uid-N"
  std::string cgroup;  // of the process, when it could be read
  // Said with XLOCAL.
  std::string name;         // full name, for a From field that is missing
  std::string cwd, script;  // from where it was started, for who must find a hijacked account
  bool gateway = false;     // the header is left as it is
  bool queue_only = false;  // the first attempt waits
  bool mail_errors = false;  // a refused recipient is reported to the sender; the message is accepted
  // Of the drop directory: the message's id, and what must be done between "durable" and "queued".
  MessageId id{};
  std::function<void()> stored;
};

}  // namespace veredus
