// core.dns/1: questions to the daemon's resolver.
#include <veredus/dns.h>

#include "net/dns_name.h"
#include "plugin/dns_records.h"
#include "plugin/host_support.h"
#include "plugin/interfaces.h"

namespace veredus {

namespace {

constexpr size_t kMost = 100'000, kLongestName = 255;
constexpr uint32_t kLongestWait = 60'000;

vrd_status status_of_answer(const DnsAnswer& answer) {
  if (!answer.temporary()) return VRD_OK;
  return answer.status == DnsStatus::timeout ? VRD_E_TIMEOUT : VRD_E_TEMPORARY;
}

OpTask ask(Shard* shard, std::string name, DnsType type, Millis patience, void* ctx, vrd_dns_fn fn) {
  Op& op = co_await CurrentOp();
  LoopServices& services = shard->services;
  auto answer = co_await services.resolver->query(std::move(name), type, Deadline::in(services.loop, patience));
  op.release();
  vrd_status status = status_of_answer(*answer);
  DnsRecords records(*answer);
  call_back(shard, "dns answer", [&] { fn(ctx, status, status == VRD_OK || answer->bogus ? records.answer() : nullptr); });
}

vrd_status query(const vrd_host* host, const vrd_dns_request* request, void* ctx, vrd_dns_fn fn, vrd_op* op) {
  Asking asking(host, "core.dns query", OpService::dns, kMost);
  if (!asking) return asking.status();
  if (!request || !VRD_HAS(vrd_dns_request, request, timeout_ms) || !fn || !readable(request->name)) return VRD_E_INVALID;
  auto type = dns_type_of_number(request->type);
  std::string name(view_of(request->name));
  if (!type || name.empty() || name.size() > kLongestName || name.find('\0') != name.npos) return VRD_E_INVALID;
  if (!within(request->timeout_ms, kLongestWait)) return VRD_E_INVALID;
  if (auto ip = IpAddress::parse(name); ip && *type == DnsType::ptr) name = reverse_name(*ip);
  if (name.size() > 1 && name.ends_with('.')) name.pop_back();
  if (!asking.services().resolver) return VRD_E_UNSUPPORTED;
  return asking.begin(ask(&asking.shard(), std::move(name), *type, Millis(request->timeout_ms), ctx, fn), op);
}

void cancel(const vrd_host* host, vrd_op op) { cancel_op(host, "core.dns cancel", OpService::dns, op); }

}  // namespace

const vrd_core_dns_1& core_dns() {
  static constexpr vrd_core_dns_1 table{VRD_SIZED(vrd_core_dns_1), 0, query, cancel};
  return table;
}

}  // namespace veredus
