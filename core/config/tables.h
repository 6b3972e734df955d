// The parts of the table of core settings, in the order of the manual. Constant data; joined by
// core_settings().
#pragma once

#include <span>

#include "config/schema.h"

namespace veredus {

std::span<const Setting> general_rows();
std::span<const Setting> access_rows();
std::span<const Setting> limit_rows();
std::span<const Setting> routing_rows();
std::span<const Setting> queue_rows();
std::span<const Setting> tls_rows();
std::span<const Setting> auth_rows();

}  // namespace veredus
