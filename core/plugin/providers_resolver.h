// PluginResolver: DNS by the plugin that `core: resolver:` names, with a cache. When the plugin does not answer, the answer is a temporary
// failure, never another resolver's. One a loop.
#pragma once

#include <string>

#include "net/dns_cache.h"
#include "net/resolver.h"
#include "plugin/loop_services.h"

namespace veredus {

class PluginResolver final : public Resolver {
 public:
  PluginResolver(Loop& loop, std::string name) : loop_(loop), name_(std::move(name)), cache_(kMostEntries, kMostOctets) {}
  Task<std::shared_ptr<const DnsAnswer>> query(std::string name, DnsType type, Deadline deadline) override;
  const std::string& name() const { return name_; }

 private:
  static constexpr size_t kMostEntries = 20'000, kMostOctets = 16 << 20;
  Loop& loop_;
  std::string name_;
  DnsCache cache_;
};

}  // namespace veredus
