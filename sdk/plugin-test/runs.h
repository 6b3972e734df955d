// Runs: what a mode does with a case. Each run is a child process of its own, so that none can spoil another; the parent never loads the plugin.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "plan.h"
#include "script.h"

namespace veredus::ptest {

enum class Mode : uint8_t { plain, strict, chaos, fuzz };

struct RunOptions {
  std::string plugin;
  Mode mode = Mode::plain;
  uint64_t seed = 1;
  unsigned runs = 10;
};

struct Verdict {
  bool passed = true;
  std::vector<std::string> reasons, warnings;
  unsigned runs = 0;
};

Verdict run_case(const Case& script, const RunOptions& options);
int lint(const std::string& plugin);  // prints; the exit code

}  // namespace veredus::ptest
