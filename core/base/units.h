// Durations and sizes as the configuration and the command line write them. Values without I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace veredus {

std::optional<Millis> parse_duration(std::string_view text);  // "500ms" "30s" "5m" "4h" "5d" "2w" "0s"; a unit is required
std::string format_duration(Millis value);
std::optional<uint64_t> parse_size(std::string_view text);  // "1000" "10KiB" "25MiB" "2GiB"; also K, M, G = KiB, MiB, GiB
std::string format_size(uint64_t value);

}  // namespace veredus
