// Expectations of a step against what came. Values; loop only.
#pragma once

#include <yaml-cpp/yaml.h>

#include <string>
#include <vector>

#include "bench.h"
#include "session.h"
#include "stage.h"

namespace veredus::ptest {

// What a step has left behind.
struct Seen {
  const Outcome* outcome = nullptr;  // of the last stage
  bool waiting = false;
  size_t log_from = 0, asked_from = 0;
  const YAML::Node* answer = nullptr;
  std::string status = "ok";
  std::string output, error;
  int exit_code = 0;
};

// "expected verdict reject, came next"; empty when all of it came.
std::vector<std::string> unmet(const YAML::Node& expect, const Seen& seen, Bench& bench, const Session& session);

bool text_fits(const std::string& expected, const std::string& came);  // "~part" or the whole

}  // namespace veredus::ptest
