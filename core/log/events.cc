// The list of all declared events.
#include "log/events.h"

namespace veredus {

namespace {

constexpr const EventDef* kAll[] = {
#define VRD_EVENT(constant, name, severity, doc) &events::constant,
#include "log/events.def"
#undef VRD_EVENT
};

}  // namespace

std::span<const EventDef* const> all_events() {
  return kAll;
}

}  // namespace veredus
