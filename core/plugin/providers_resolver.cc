// svc.resolver/1.
#include "plugin/providers_resolver.h"

#include <veredus/svc_resolver.h>

#include <algorithm>

#include "net/dns_name.h"
#include "plugin/host_support.h"
#include "plugin/service_calls.h"

namespace veredus {

namespace {

constexpr Millis kLongestWait{60'000};
constexpr uint32_t kLongestKept = 86'400;
constexpr Seconds kFailureKept{2};

struct ResolverCall {
  std::string name;
  DnsType type;
  uint32_t timeout_ms;
  ServiceExpect expect() const { return {ServiceKind::resolver, 0, true, type, name}; }
  vrd_status call(const void* table, void* object, vrd_pending token) const {
    vrd_dns_request request{VRD_SIZED(vrd_dns_request), static_cast<uint32_t>(type), str_of(name), timeout_ms, 0};
    return static_cast<const vrd_svc_resolver_1*>(table)->resolve(object, &request, token);
  }
};

std::shared_ptr<const DnsAnswer> failed(const std::string& name, DnsStatus status, std::string problem) {
  DnsAnswer out;
  out.status = status;
  out.canonical = name;
  out.problem = std::move(problem);
  return std::make_shared<const DnsAnswer>(std::move(out));
}

}  // namespace

Task<std::shared_ptr<const DnsAnswer>> PluginResolver::query(std::string asked, DnsType type, Deadline deadline) {
  auto name = to_query_name(asked);
  if (!name) co_return failed(asked, DnsStatus::no_name, name.error().text);
  if (auto known = hosts_.answer(*name, type)) co_return std::make_shared<const DnsAnswer>(std::move(*known));
  std::string key = std::to_string(static_cast<unsigned>(type)) + " " + *name;
  if (auto known = cache_.find(key, loop_.now())) co_return known;
  LoopServices* services = LoopServices::here();
  Provider provider = services ? find_provider(*services, name_, ServiceKind::resolver) : Provider{};
  if (!provider) co_return failed(*name, DnsStatus::server_failure, "there is no plugin '" + name_ + "' that resolves");
  Millis patience = deadline.is_never() ? kLongestWait : std::clamp<Millis>(deadline.when - loop_.now(), Millis(1), kLongestWait);
  ResolverCall call{*name, type, static_cast<uint32_t>(patience.count())};
  ServiceAnswer answer = co_await ServiceCalls::of(*services).ask(std::move(provider), std::move(call), deadline);
  if (!answer.ok()) {
    bool late = answer.status == VRD_E_TIMEOUT;
    auto out = failed(*name, late ? DnsStatus::timeout : DnsStatus::server_failure, "the plugin '" + name_ + "' did not answer");
    if (!late) cache_.put(key, out, loop_.now() + kFailureKept);
    co_return out;
  }
  DnsAnswer& given = std::get<DnsAnswer>(answer.value);
  given.server = "plugin " + name_;
  Seconds kept(std::min(given.ttl, kLongestKept));
  auto out = std::make_shared<const DnsAnswer>(std::move(given));
  if (kept.count() > 0) cache_.put(key, out, loop_.now() + kept);
  co_return out;
}

}  // namespace veredus
