// Time: strong types, the real clock, and a fake one for tests. Values without I/O; usable on any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

namespace veredus {

using Millis = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, Millis>;  // never steps
using WallTime = std::chrono::sys_time<Millis>;                               // may step

class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime mono() const = 0;
  virtual WallTime wall() const = 0;
};

class RealClock final : public Clock {
 public:
  MonoTime mono() const override;
  WallTime wall() const override;
};

// Moves only when told; both times advance together.
class FakeClock final : public Clock {
 public:
  MonoTime mono() const override { return MonoTime(Millis(mono_.load())); }
  WallTime wall() const override { return WallTime(Millis(wall_.load())); }
  void advance(Millis by);
  void step_wall(Millis by) { wall_ += by.count(); }

 private:
  std::atomic<int64_t> mono_{1'000'000};
  std::atomic<int64_t> wall_{1'750'000'000'000};
};

std::string rfc5322_date(WallTime when);  // "Mon, 02 Jan 2006 15:04:05 +0000", in UTC
std::string iso8601(WallTime when);       // "2006-01-02T15:04:05.678Z"

}  // namespace veredus
