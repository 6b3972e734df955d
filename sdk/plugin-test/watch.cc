// Roles are a property of the thread; breaches are kept once each, in the order they were seen.
#include "watch.h"

#include <sys/resource.h>
#include <time.h>

#include <algorithm>

namespace veredus::ptest {

namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VTEST_SANITIZED
#endif
#endif
#if defined(VTEST_SANITIZED) || defined(__SANITIZE_ADDRESS__)
constexpr int64_t kSlowMicros = 20'000;  // the sanitizer is slow when memory is touched for the first time
#else
constexpr int64_t kSlowMicros = 2000;
#endif
thread_local Role t_role = Role::foreign;

int64_t micros_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000 + now.tv_nsec / 1000;
}

// Times that the thread gave its processor away by itself: it slept or waited, but not for a page of its code.
int64_t times_blocked() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw - usage.ru_majflt;
}

void keep(std::vector<std::string>& list, std::string text) {
  if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(std::move(text));
}

}  // namespace

std::string_view role_text(Role role) {
  constexpr std::string_view kNames[] = {"of the plugin's own", "main", "loop", "worker"};
  return kNames[static_cast<size_t>(role)];
}

Role current_role() { return t_role; }

InRole::InRole(Role role) : before_(t_role) { t_role = role; }
InRole::~InRole() { t_role = before_; }

void Watch::breach(std::string_view rule, std::string_view what) {
  std::lock_guard lock(mutex_);
  keep(breaches_, std::string(rule) + ": " + std::string(what));
}

void Watch::warn(std::string_view what) {
  std::lock_guard lock(mutex_);
  keep(warnings_, std::string(what));
}

std::vector<std::string> Watch::breaches() const {
  std::lock_guard lock(mutex_);
  return breaches_;
}

std::vector<std::string> Watch::warnings() const {
  std::lock_guard lock(mutex_);
  return warnings_;
}

Watch& watch() {
  static Watch the;
  return the;
}

LoopTime::LoopTime(std::string what)
    : what_(std::move(what)), real_(micros_of(CLOCK_MONOTONIC)), cpu_(micros_of(CLOCK_THREAD_CPUTIME_ID)), blocked_(times_blocked()) {}

// A machine that is busy with other work makes everything slow; only what the plugin did itself counts.
LoopTime::~LoopTime() {
  int64_t real = micros_of(CLOCK_MONOTONIC) - real_;
  bool worked = micros_of(CLOCK_THREAD_CPUTIME_ID) - cpu_ > kSlowMicros, slept = times_blocked() > blocked_;
  if (real > kSlowMicros && (worked || slept)) watch().warn(what_ + " held the loop for more than 2 ms");
}

}  // namespace veredus::ptest
