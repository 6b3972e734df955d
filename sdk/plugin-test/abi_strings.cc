// Names of status numbers, as scripts write them.
#include "abi_strings.h"

#include <array>

namespace veredus::ptest {

namespace {

constexpr std::array<std::string_view, 17> kNames{"ok",     "invalid", "memory", "not_found", "timeout",     "cancelled", "late",      "denied", "busy",
                                                 "thread", "state",   "unsupported", "io",  "fault", "temporary", "closed", "config"};

}  // namespace

std::string_view status_text(vrd_status status) {
  auto number = static_cast<size_t>(-static_cast<int64_t>(status));
  return status <= 0 && number < kNames.size() ? kNames[number] : "unknown status";
}

bool status_by_text(std::string_view text, vrd_status* out) {
  for (size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == text) return *out = -static_cast<vrd_status>(i), true;
  return false;
}

}  // namespace veredus::ptest
