// core.service/1: answers of providers, and calls from plugin to plugin.
#include <veredus/service.h>

#include "plugin/host_support.h"
#include "plugin/interfaces.h"
#include "plugin/service_calls.h"

namespace veredus {

namespace {

constexpr size_t kMost = 10'000, kLongestName = 255, kMostRequest = 16 << 20;
constexpr uint32_t kLongestWait = 600'000;

struct CallRequest {
  std::string method, octets;
  ServiceExpect expect() const { return {ServiceKind::call, 0, true, {}, {}}; }
  vrd_status call(const void* table, void* object, vrd_pending token) const {
    return static_cast<const vrd_svc_call_1*>(table)->call(object, str_of(method), str_of(octets), token);
  }
};

OpTask ask(Shard* shard, std::string name, CallRequest request, Millis patience, void* ctx, vrd_call_fn fn) {
  Op& op = co_await CurrentOp();
  LoopServices& services = shard->services;
  Provider provider = find_provider(shard->instance.generation(), name, ServiceKind::call);
  provider.pin.reset();
  ServiceAnswer answer{VRD_E_NOT_FOUND, {}};
  if (provider)
    answer = co_await ServiceCalls::of(services).ask(std::move(provider), std::move(request), Deadline::in(services.loop, patience));
  op.release();
  vrd_str octets = answer.ok() ? str_of(std::get<std::string>(answer.value)) : str_of({});
  call_back(shard, "service answer", [&] { fn(ctx, answer.status, octets); });
}

vrd_status answer(vrd_pending token, vrd_status status, const void* answer) { return ServiceCalls::answer(token, status, answer); }

vrd_status call(const vrd_host* host, vrd_str provider, vrd_str method, vrd_str request, uint32_t timeout_ms, void* ctx, vrd_call_fn fn,
                vrd_op* op) {
  Asking asking(host, "core.service call", OpService::call, kMost);
  if (!asking) return asking.status();
  if (!fn || !readable(provider) || !readable(method) || !readable(request) || !within(provider.len, kLongestName)) return VRD_E_INVALID;
  if (method.len > kLongestName || request.len > kMostRequest || !within(timeout_ms, kLongestWait)) return VRD_E_INVALID;
  CallRequest wanted{std::string(view_of(method)), std::string(view_of(request))};
  return asking.begin(ask(&asking.shard(), std::string(view_of(provider)), std::move(wanted), Millis(timeout_ms), ctx, fn), op);
}

void cancel(const vrd_host* host, vrd_op op) { cancel_op(host, "core.service cancel", OpService::call, op); }

}  // namespace

const vrd_core_service_1& core_service() {
  static constexpr vrd_core_service_1 table{VRD_SIZED(vrd_core_service_1), 0, answer, call, cancel};
  return table;
}

}  // namespace veredus
