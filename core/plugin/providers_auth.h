// Asking svc.auth/1 whether a password is an account's. [main]
#pragma once

#include <string>

#include "plugin/plugin_host.h"

namespace veredus {

struct AuthVerdict {
  enum class Kind : uint8_t { ok, denied, temporary, unknown } kind = Kind::temporary;  // unknown: no such plugin
  std::string account, tenant;  // ok: the canonical name
};

Task<AuthVerdict> check_password(PluginHost& host, std::string plugin, std::string account, std::string password, Deadline deadline);

}  // namespace veredus
