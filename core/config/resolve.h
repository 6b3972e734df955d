// After reading: what depends on other settings or on the system is filled in, and rules across settings are
// checked. Internal to config.
#pragma once

#include <map>
#include <string>

#include "config/load.h"
#include "config/problems.h"
#include "config/settings.h"

namespace veredus {

// What was read, before it becomes Settings for everyone.
struct Draft {
  Settings settings;
  std::map<std::string, Place> places;         // "routes[2].pool", counted from 0
  Place place(const std::string& path) const;  // of the nearest part that was written; nowhere for a default
};

void resolve_defaults(Draft& draft, const SystemNames& system, Problems& problems);
void check_settings(const Draft& draft, Problems& problems);

}  // namespace veredus
