// ServiceState: what services keep of an instance: the tables it has opened. Filled in create(), resolved when the configuration is whole,
// unchanged from then on.
#pragma once

#include <string>
#include <vector>

#include "plugin/generation.h"
#include "plugin/service_calls.h"

namespace veredus {

class ServiceState final : public InstanceState {
 public:
  static ServiceState& of(Instance& instance);  // [main] made when it is first needed
  static const ServiceState* find(const Instance& instance) { return static_cast<const ServiceState*>(instance.state.get()); }

  Status check(const Generation& generation) override;

  struct OpenedTable {
    std::string name;
    Instance* instance = nullptr;
    const void* table = nullptr;
  };
  std::vector<OpenedTable> tables;
  std::vector<uint32_t> metrics;  // the registry's number of each that was defined
};

}  // namespace veredus
