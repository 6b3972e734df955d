// core.helper/1: requests to programs that the supervisor runs. A handle is the position of the helper in the configuration, from 1.
#include <veredus/helper.h>

#include <algorithm>

#include "plugin/helper_port.h"
#include "plugin/host_support.h"
#include "plugin/interfaces.h"

namespace veredus {

namespace {

constexpr size_t kMost = 1'000;
constexpr uint32_t kLongestWait = 3'600'000;

OpTask ask(Shard* shard, std::string name, std::string octets, UniqueFd fd, Millis patience, void* ctx, vrd_helper_fn fn) {
  Op& op = co_await CurrentOp();
  LoopServices& services = shard->services;
  auto reply = co_await services.helpers->call(services.loop, std::move(name), std::move(octets), std::move(fd), Deadline::in(services.loop, patience));
  op.release();
  call_back(shard, "helper answer", [&] {
    if (reply) fn(ctx, VRD_OK, str_of(reply->octets), reply->fd.release());
    else fn(ctx, status_of(reply.error().code), str_of({}), -1);
  });
}

vrd_status open_helper(const vrd_host* host, vrd_str name, uint32_t* helper) {
  const Instance& instance = Instance::of(host);
  if (!instance.check_main("core.helper open")) return VRD_E_THREAD;
  if (instance.phase() != InstancePhase::creating) return VRD_E_STATE;
  if (!helper || !readable(name)) return VRD_E_INVALID;
  const auto& helpers = instance.core_settings().helpers;
  auto found = std::find_if(helpers.begin(), helpers.end(), [&](const HelperSettings& one) { return one.name == view_of(name); });
  if (found == helpers.end()) return VRD_E_NOT_FOUND;
  *helper = static_cast<uint32_t>(found - helpers.begin() + 1);
  return VRD_OK;
}

vrd_status call(const vrd_host* host, uint32_t helper, vrd_str octets, int32_t fd, uint32_t timeout_ms, void* ctx, vrd_helper_fn fn, vrd_op* op) {
  Asking asking(host, "core.helper call", OpService::helper, kMost);
  if (!asking) return asking.status();
  const auto& helpers = Instance::of(host).core_settings().helpers;
  if (!fn || !readable(octets) || octets.len > HelperPort::kMostOctets || fd < -1) return VRD_E_INVALID;
  if (!within(helper, helpers.size()) || !within(timeout_ms, kLongestWait)) return VRD_E_INVALID;
  if (!asking.services().helpers) return VRD_E_UNSUPPORTED;
  UniqueFd own = UniqueFd::duplicate(fd);
  if (fd >= 0 && !own) return VRD_E_INVALID;
  const std::string& name = helpers[helper - 1].name;
  return asking.begin(ask(&asking.shard(), name, std::string(view_of(octets)), std::move(own), Millis(timeout_ms), ctx, fn), op);
}

void cancel(const vrd_host* host, vrd_op op) { cancel_op(host, "core.helper cancel", OpService::helper, op); }

}  // namespace

const vrd_core_helper_1& core_helper() {
  static constexpr vrd_core_helper_1 table{VRD_SIZED(vrd_core_helper_1), 0, open_helper, call, cancel};
  return table;
}

}  // namespace veredus
