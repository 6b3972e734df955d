// HelperProcesses: the programs that the supervisor runs for plugins, each with the privileges its row names, on a socket pair whose other
// end goes to the worker. They are started anew with each worker, so that no half of a frame outlives its reader; one that ends by itself
// is started again with back-off. Supervisor: one thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "config/settings.h"
#include "log/log.h"
#include "plugin/unique_fd.h"

namespace veredus {

struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  bool change = false;     // else they run as the supervisor does
  std::string user;        // whose further groups are taken too; empty: none
};

class HelperProcesses {
 public:
  static constexpr int kSocket = 3;  // a helper finds its socket there

  HelperProcesses(const Clock& clock, Log& log) : clock_(clock), log_(log) {}

  // Who an empty `user` of a row is, is said by `worker`.
  void configure(const std::vector<HelperSettings>& settings, const Identity& worker);
  bool any() const { return !helpers_.empty(); }
  // A worker starts: makes its channel and starts all. The descriptor is the worker's end.
  Result<UniqueFd> begin();
  void end();                          // that worker is gone, or the daemon ends: all are asked to end, and soon made to
  bool reaped(pid_t pid, int status);  // true: it was one of them
  bool running() const;
  MonoTime next_due() const;           // when tick() has something to do
  void tick();

 private:
  struct Helper {
    HelperSettings settings;
    pid_t pid = -1;
    bool ending = false;
    int failures = 0;
    MonoTime started{}, start_at{}, kill_at{};
  };
  void start(Helper& helper);
  Status launch(Helper& helper);
  Result<Identity> identity_of(const HelperSettings& settings) const;
  void later(Helper& helper);

  const Clock& clock_;
  Log& log_;
  Identity worker_;
  std::vector<Helper> helpers_;
  UniqueFd channel_;
};

}  // namespace veredus
