// svc.auth/1.
#include "plugin/providers_auth.h"

#include <veredus/svc_auth.h>

#include "plugin/host_support.h"
#include "plugin/service_calls.h"

namespace veredus {

namespace {

struct AuthCall {
  std::string account, secret;
  ServiceExpect expect() const { return {ServiceKind::auth, 0, true, {}, {}}; }
  vrd_status call(const void* table, void* object, vrd_pending token) const {
    vrd_auth_request request{VRD_SIZED(vrd_auth_request), VRD_AUTH_PASSWORD, VRD_STR("PLAIN"), str_of(account), str_of({}), str_of(secret), str_of({})};
    return static_cast<const vrd_svc_auth_1*>(table)->check(object, &request, token);
  }
};

}  // namespace

Task<AuthVerdict> check_password(PluginHost& host, std::string plugin, std::string account, std::string password, Deadline deadline) {
  AuthVerdict out;
  Provider provider = find_provider(*host.current(), plugin, ServiceKind::auth);
  if (!provider) {
    out.kind = AuthVerdict::Kind::unknown;
    co_return out;
  }
  AuthCall call{std::move(account), std::move(password)};
  ServiceAnswer answer = co_await ServiceCalls::of(host.main()).ask(std::move(provider), std::move(call), deadline);
  if (answer.ok()) {
    auto& proven = std::get<AuthAccount>(answer.value);
    out = {AuthVerdict::Kind::ok, std::move(proven.account), std::move(proven.tenant)};
  } else if (answer.status == VRD_E_DENIED || answer.status == VRD_E_NOT_FOUND) {
    out.kind = AuthVerdict::Kind::denied;
  }
  co_return out;
}

}  // namespace veredus
