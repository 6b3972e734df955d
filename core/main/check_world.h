// CheckWorld: what a check runs in: a loop, a resolver, trust anchors. Main thread; the check is over when its story is, or after its time.
#pragma once

#include <memory>

#include "loop/scope.h"
#include "main/check_options.h"
#include "main/check_report.h"
#include "net/stub_resolver.h"
#include "net/tls_verify.h"

namespace veredus {

struct CheckWorld {
  CheckWorld(const CheckCall& call, CheckOptions wanted);

  CheckOptions options;
  RealClock clock;
  Loop loop{clock};
  std::string helo;
  std::string ca;                                // file
  std::shared_ptr<const TrustAnchors> anchors;   // null: none
  std::string anchors_problem;
  std::string resolver_note;                     // what to know about who was asked
  std::unique_ptr<Resolver> resolver;
  Deadline deadline;                             // of the whole check
  std::vector<CheckReport> reports;              // what has been found out
};

using CheckStory = Task<void> (*)(CheckWorld& world);
// Reads the arguments, runs the story, prints the reports. `what`: of the target, for errors.
int run_check(const CheckCall& call, const std::string& what, CheckStory story);

int check_tls(const CheckCall& call);
int check_dane(const CheckCall& call);

}  // namespace veredus
