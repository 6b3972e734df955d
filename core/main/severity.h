// The severity that a log_level names. Any thread.
#pragma once

#include <string_view>

#include "log/log.h"

namespace veredus {

inline Severity severity_of(std::string_view level) {
  for (Severity severity : {Severity::debug, Severity::info, Severity::notice, Severity::warning, Severity::error})
    if (severity_name(severity) == level) return severity;
  return Severity::info;
}

}  // namespace veredus
