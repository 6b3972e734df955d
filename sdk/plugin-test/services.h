// Asking the services that the plugin provides, as the host would. Loop only.
#pragma once

#include <yaml-cpp/yaml.h>

#include <string>

#include "bench.h"
#include "session.h"

namespace veredus::ptest {

struct ServiceAsked {
  vrd_pending token = 0;  // 0: answered at once, or not asked
  vrd_status status = VRD_OK;
  std::string problem;  // it could not be asked: the plugin has no such service
};

bool is_service_step(const std::string& step);  // "lookup"
ServiceAsked ask_service(Bench& bench, Instance& instance, const Session& session, const std::string& step, const YAML::Node& args);

}  // namespace veredus::ptest
