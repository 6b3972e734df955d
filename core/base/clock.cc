// The real clock and the two date formats mail needs.
#include "base/clock.h"

#include <cstdio>
#include <ctime>

namespace veredus {

MonoTime RealClock::mono() const {
  return std::chrono::time_point_cast<Millis>(std::chrono::steady_clock::now());
}

WallTime RealClock::wall() const {
  return std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now());
}

void FakeClock::advance(Millis by) {
  mono_ += by.count();
  wall_ += by.count();
}

std::string rfc5322_date(WallTime when) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::time_t t = std::chrono::floor<Seconds>(when).time_since_epoch().count();
  std::tm tm{};
  gmtime_r(&t, &tm);
  char out[64];
  std::snprintf(out, sizeof out, "%s, %02d %s %04d %02d:%02d:%02d +0000", kDays[tm.tm_wday], tm.tm_mday,
                kMonths[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
  return out;
}

std::string iso8601(WallTime when) {
  auto seconds = std::chrono::floor<Seconds>(when);
  std::time_t t = seconds.time_since_epoch().count();
  std::tm tm{};
  gmtime_r(&t, &tm);
  char out[64];
  std::snprintf(out, sizeof out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, static_cast<int>((when - seconds).count()));
  return out;
}

}  // namespace veredus
