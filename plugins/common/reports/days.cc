#include "common/reports/days.h"

#include <chrono>
#include <cstdio>

namespace common {

std::string day_of(int64_t wall_ms) {
  int64_t days = wall_ms / kDayMs - (wall_ms % kDayMs < 0 ? 1 : 0);
  std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
  char out[48];
  std::snprintf(out, sizeof out, "%04d-%02u-%02u", int(date.year()), unsigned(date.month()), unsigned(date.day()));
  return out;
}

std::optional<int64_t> day_start(std::string_view day) {
  if (day.size() != 10 || day[4] != '-' || day[7] != '-') return std::nullopt;
  unsigned numbers[3] = {0, 0, 0};
  for (size_t i = 0; i < day.size(); ++i) {
    if (i == 4 || i == 7) continue;
    if (day[i] < '0' || day[i] > '9') return std::nullopt;
    unsigned& number = numbers[i < 4 ? 0 : i < 7 ? 1 : 2];
    number = number * 10 + static_cast<unsigned>(day[i] - '0');
  }
  std::chrono::year_month_day date{std::chrono::year(static_cast<int>(numbers[0])), std::chrono::month(numbers[1]),
                                   std::chrono::day(numbers[2])};
  if (!date.ok() || numbers[0] < 1970) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count() * kDayMs;
}

}  // namespace common
