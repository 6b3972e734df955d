// Days of UTC, by which reports are counted and sent. Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace common {

constexpr int64_t kDayMs = 86'400'000;

std::string day_of(int64_t wall_ms);                     // "2026-11-28"
std::optional<int64_t> day_start(std::string_view day);  // milliseconds since 1970

}  // namespace common
