// PluginResolver: DNS by the plugin that `core: resolver:` names, behind the table of hosts and a cache. When the plugin does not answer, the answer is a temporary
// failure, never another resolver's. One a loop.
#pragma once

#include <string>

#include "net/dns_cache.h"
#include "net/hosts_table.h"
#include "net/resolver.h"
#include "plugin/loop_services.h"

namespace veredus {

class PluginResolver final : public Resolver {
 public:
  PluginResolver(Loop& loop, std::string name, HostsTable hosts = {})
      : loop_(loop), name_(std::move(name)), hosts_(std::move(hosts)), cache_(kMostEntries, kMostOctets) {}
  Task<std::shared_ptr<const DnsAnswer>> query(std::string name, DnsType type, Deadline deadline) override;
  const std::string& name() const { return name_; }

 private:
  static constexpr size_t kMostEntries = 20'000, kMostOctets = 16 << 20;
  Loop& loop_;
  std::string name_;
  HostsTable hosts_;
  DnsCache cache_;
};

}  // namespace veredus
