// Plugins that know how recipient domains want their mail secured: TlsPolicyPort asks svc.tls_policy/1 of the generation in force. [any loop]
#pragma once

#include <atomic>

#include "outbound/tls_policy.h"
#include "plugin/plugin_host.h"

namespace veredus {

class PluginTlsPolicyPort final : public TlsPolicyPort {
 public:
  explicit PluginTlsPolicyPort(PluginHost& host) : host_(host) {}
  bool any() const override;
  // The first of several providers that has a policy wins, in the order of the fragments.
  Task<Result<std::shared_ptr<const PublishedPolicy>>> find(Loop& here, std::string domain, Deadline deadline) override;

 private:
  PluginHost& host_;
  mutable std::atomic<uint64_t> known_{0};  // number of a generation << 1 | whether it has a provider
};

}  // namespace veredus
