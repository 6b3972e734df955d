// The declared events: one constant a row of events.def, and the list of all rows for the manual. Constants;
// any thread.
#pragma once

#include <span>

#include "log/log.h"

namespace veredus {

namespace events {

#define VRD_EVENT(constant, name, severity, doc) \
  inline constexpr EventDef constant{name, Severity::severity, doc};
#include "log/events.def"
#undef VRD_EVENT

}  // namespace events

std::span<const EventDef* const> all_events();  // in the order of events.def

}  // namespace veredus
