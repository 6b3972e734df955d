// Dns: how the libraries of mailauth ask for records: the daemon's resolver in a plugin, a zone in memory in a test. Loop thread.
#pragma once

#include <string>
#include <utility>

#include <veredus/plugin_co.hpp>

namespace mailauth {

class Dns {
 public:
  virtual ~Dns() = default;
  virtual vrd::Task<vrd::DnsResult> ask(std::string name, uint32_t type) = 0;
};

class HostDns : public Dns {
 public:
  HostDns(const vrd::Host& host, vrd::milliseconds timeout) : host_(host), timeout_(timeout) {}
  vrd::Task<vrd::DnsResult> ask(std::string name, uint32_t type) override { co_return co_await host_.dns(std::move(name), type, timeout_); }

 private:
  const vrd::Host& host_;
  vrd::milliseconds timeout_;
};

}  // namespace mailauth
