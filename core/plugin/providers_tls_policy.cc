// svc.tls_policy/1.
#include "plugin/providers_tls_policy.h"

#include <veredus/svc_tls_policy.h>

#include "plugin/host_support.h"
#include "plugin/service_calls.h"

namespace veredus {

namespace {

constexpr Seconds kPatience{30};

struct PolicyCall {
  std::string domain;
  ServiceExpect expect() const { return {ServiceKind::tls_policy, 0, true, {}, {}}; }
  vrd_status call(const void* table, void* object, vrd_pending token) const {
    return static_cast<const vrd_svc_tls_policy_1*>(table)->find(object, str_of(domain), token);
  }
};

std::vector<Provider> providers_of(const Generation& generation) {
  std::vector<Provider> out;
  for (const auto& instance : generation.instances())
    if (const void* table = instance->service(VRD_SVC_TLS_POLICY_1)) out.push_back({generation.pin(), instance.get(), table});
  return out;
}

PublishedPolicy::Mode mode_of(uint32_t mode) {
  switch (mode) {
    case VRD_TLS_POLICY_ENFORCE: return PublishedPolicy::Mode::enforce;
    case VRD_TLS_POLICY_TESTING: return PublishedPolicy::Mode::testing;
    default: return PublishedPolicy::Mode::none;
  }
}

std::string_view why(vrd_status status) {
  switch (status) {
    case VRD_E_TIMEOUT: return "did not answer in time";
    case VRD_E_TEMPORARY: case VRD_E_BUSY: return "cannot tell now";
    case VRD_E_CLOSED: return "has ended";
    default: return "failed";
  }
}

}  // namespace

bool PluginTlsPolicyPort::any() const {
  std::shared_ptr<Generation> generation = host_.current();
  if (!generation) return false;
  uint64_t known = known_.load(std::memory_order_relaxed);
  if (known != 0 && known >> 1 == generation->number()) return (known & 1) != 0;
  bool out = !providers_of(*generation).empty();
  known_.store(generation->number() << 1 | (out ? 1 : 0), std::memory_order_relaxed);
  return out;
}

// One that fails spoils the answer only when no other has a policy: "none" could be a downgrade.
Task<Result<std::shared_ptr<const PublishedPolicy>>> PluginTlsPolicyPort::find(Loop& here, std::string domain, Deadline deadline) {
  auto out = std::make_shared<PublishedPolicy>();
  std::string problem;
  Deadline mine = Deadline::in(here, kPatience).sooner(deadline);
  std::vector<Provider> providers;
  if (std::shared_ptr<Generation> generation = host_.current()) providers = providers_of(*generation);
  for (Provider& provider : providers) {
    std::string name = provider.instance->record()->label();
    PolicyCall call{domain};
    ServiceAnswer answer = co_await ServiceCalls::of(*LoopServices::here()).ask(std::move(provider), std::move(call), mine);
    if (!answer.ok()) {
      problem = "The plugin '" + name + "' " + std::string(why(answer.status));
      continue;
    }
    auto& choice = std::get<PolicyChoice>(answer.value);
    if (choice.mode == VRD_TLS_POLICY_NONE && (choice.result.empty() || !out->result.empty())) continue;
    *out = {mode_of(choice.mode), std::move(choice.mx), std::move(choice.text), std::move(choice.result), std::move(choice.problem)};
    if (choice.mode != VRD_TLS_POLICY_NONE) co_return std::shared_ptr<const PublishedPolicy>(std::move(out));
  }
  if (!problem.empty()) co_return fail(Errc::timeout, problem);
  co_return std::shared_ptr<const PublishedPolicy>(std::move(out));
}

}  // namespace veredus
