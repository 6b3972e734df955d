// Plugins behind outbound's ports: DeliverPort asks svc.deliver/1, RouterPort svc.router/1, of the generation in force. [any loop]
#pragma once

#include "outbound/deliver_port.h"
#include "outbound/router_port.h"
#include "plugin/plugin_host.h"

namespace veredus {

class PluginDeliverPort final : public DeliverPort {
 public:
  explicit PluginDeliverPort(PluginHost& host) : host_(host) {}
  bool offers(std::string_view name) const override;
  Task<std::vector<RecipientOutcome>> deliver(Loop& here, DeliverRequest request) override;

 private:
  PluginHost& host_;
};

class PluginRouterPort final : public RouterPort {
 public:
  explicit PluginRouterPort(PluginHost& host) : host_(host) {}
  Task<RouteAnswer> route(Loop& here, std::string name, std::shared_ptr<const Envelope> envelope, uint32_t recipient) override;

 private:
  PluginHost& host_;
};

}  // namespace veredus
