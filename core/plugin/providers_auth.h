// Plugins that know accounts: AuthPort asks svc.auth/1 of the generation in force. [any loop]
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "inbound/auth_port.h"
#include "plugin/plugin_host.h"

namespace veredus {

class PluginAuthPort final : public AuthPort {
 public:
  explicit PluginAuthPort(PluginHost& host) : host_(host) {}
  uint32_t kinds() const override;
  Task<AuthAnswer> check(Loop& here, AuthQuestion question, std::string client, Deadline deadline) override;

 private:
  PluginHost& host_;
  mutable std::atomic<uint64_t> known_{0};  // number of a generation << 8 | its kinds
};

// Of one plugin or instance, whatever `auth.providers` says. [main]
struct AuthTrial {
  uint32_t kinds = 0;  // what it answers; 0: there is no such provider
  AuthAnswer answer;
};
Task<AuthTrial> try_password(PluginHost& host, std::string plugin, std::string account, std::string password, Deadline deadline);

// The mechanisms that questions of these kinds are enough for, strongest first.
std::vector<std::string> mechanisms_of(uint32_t kinds);

}  // namespace veredus
