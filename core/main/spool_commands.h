// `veredus spool verify|list|export|import`: work on the spool itself, without the daemon. Blocking; one thread.
#pragma once

#include <string>
#include <vector>

namespace veredus {

struct SpoolInvocation {
  std::string conf;
  bool json = false;
  std::vector<std::string> arguments;
};

int spool_verify(const SpoolInvocation& call);  // exit codes of sysexits.h; 65 when something is damaged
int spool_list(const SpoolInvocation& call);
int spool_export(const SpoolInvocation& call);
int spool_import(const SpoolInvocation& call);

}  // namespace veredus
