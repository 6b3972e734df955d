// TimedDns: the host's DNS for one check, which must end in time: questions after the end are answered VRD_E_TIMEOUT at once. One loop.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include "mailauth/base/dns.h"

namespace mailauth {

class TimedDns : public Dns {
 public:
  TimedDns(const vrd::Host& host, vrd::milliseconds each, vrd::milliseconds all) : host_(host), each_(each), end_(host.mono_ms() + all.count()) {}

  vrd::Task<vrd::DnsResult> ask(std::string name, uint32_t type) override {
    vrd::milliseconds left(end_ - host_.mono_ms());
    if (left.count() <= 0) co_return vrd::DnsResult(VRD_E_TIMEOUT);
    co_return co_await host_.dns(std::move(name), type, std::min(each_, left));
  }

 private:
  const vrd::Host& host_;
  vrd::milliseconds each_;
  int64_t end_;
};

}  // namespace mailauth
