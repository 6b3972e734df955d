// svc.auth/1.
#include "plugin/providers_auth.h"

#include <veredus/svc_auth.h>

#include "plugin/host_support.h"
#include "plugin/service_calls.h"
#include "sasl/names.h"
#include "sasl/secret.h"

namespace veredus {

namespace {

constexpr uint32_t kAllKinds = 1u << VRD_AUTH_PASSWORD | 1u << VRD_AUTH_SECRET | 1u << VRD_AUTH_TOKEN | 1u << VRD_AUTH_EXTERNAL;

constexpr uint32_t bit(AuthKind kind) { return 1u << static_cast<uint32_t>(kind); }

struct AuthCall {
  AuthCall(const AuthQuestion& question, std::string_view from)
      : kind(question.kind), mechanism(question.mechanism), account(question.account), acting_as(question.acting_as), client(from),
        secret(std::string(question.secret)) {}
  AuthKind kind;
  std::string mechanism, account, acting_as, client;
  Secret secret;
  ServiceExpect expect() const { return {ServiceKind::auth, 0, true, {}, {}}; }
  vrd_status call(const void* table, void* object, vrd_pending token) const {
    vrd_auth_request request{VRD_SIZED(vrd_auth_request), static_cast<uint32_t>(kind), str_of(mechanism), str_of(account),
                             str_of(acting_as),           str_of(secret.text()),       str_of(client)};
    return static_cast<const vrd_svc_auth_1*>(table)->check(object, &request, token);
  }
};

// Plugins from before the member `kinds` know passwords only.
uint32_t kinds_of(const Provider& provider) {
  const auto* service = static_cast<const vrd_svc_auth_1*>(provider.table);
  bool tells = service->size >= offsetof(vrd_svc_auth_1, kinds) + sizeof service->kinds;
  return (tells ? service->kinds : 1u << VRD_AUTH_PASSWORD) & kAllKinds;
}

struct Providers {
  std::vector<Provider> list;
  bool complete = true;  // all that auth.providers names are there
};

Providers providers_of(const Generation& generation) {
  Providers out;
  const std::vector<std::string>& names = generation.core()->auth.providers;
  for (const std::string& name : names) {
    Provider provider = find_provider(generation, name, ServiceKind::auth);
    if (provider) out.list.push_back(std::move(provider));
    else out.complete = false;
  }
  for (const auto& instance : names.empty() ? generation.instances() : std::span<const std::unique_ptr<Instance>>())
    if (const void* table = instance->service(VRD_SVC_AUTH_1)) out.list.push_back({generation.pin(), instance.get(), table});
  return out;
}

// What a provider says goes into the log, into Received and into tables: names as clients may have them only.
AuthAnswer read_answer(ServiceAnswer answer, const AuthQuestion& question, PluginRecord& record) {
  if (answer.status == VRD_E_DENIED || answer.status == VRD_E_NOT_FOUND) return {AuthAnswer::Kind::denied, {}, {}, {}};
  if (!answer.ok()) return {};
  auto& proven = std::get<AuthAccount>(answer.value);
  if (proven.account.empty()) proven.account = question.account;
  auto account = sasl_name(proven.account, "the account");
  bool good = account && (proven.tenant.empty() || sasl_name(proven.tenant, "the tenant"));
  if (good) return {AuthAnswer::Kind::ok, std::move(proven.account), std::move(proven.tenant), std::move(proven.secret)};
  record.misbehaved("svc.auth answer", account ? "a tenant that is no name" : account.error().text);
  return {};
}

Task<AuthAnswer> ask(LoopServices& services, Provider provider, const AuthQuestion* question, std::string_view client, Deadline deadline) {
  std::shared_ptr<PluginRecord> record = provider.instance->record();
  AuthCall call(*question, client);
  ServiceAnswer answer = co_await ServiceCalls::of(services).ask(std::move(provider), std::move(call), deadline);
  co_return read_answer(std::move(answer), *question, *record);
}

// Forgets the secret when the task ends, however it does.
struct Forgetting {
  explicit Forgetting(std::string& text) : secret(text) {}
  Forgetting(const Forgetting&) = delete;
  ~Forgetting() { wipe(secret); }
  std::string& secret;
};

}  // namespace

uint32_t PluginAuthPort::kinds() const {
  std::shared_ptr<Generation> generation = host_.current();
  uint64_t known = known_.load(std::memory_order_relaxed);
  if (known != 0 && known >> 8 == generation->number()) return known & 0xFF;
  uint32_t out = 0;
  for (const Provider& provider : providers_of(*generation).list) out |= kinds_of(provider);
  known_.store(generation->number() << 8 | out, std::memory_order_relaxed);
  return out;
}

Task<AuthAnswer> PluginAuthPort::check(Loop&, AuthQuestion question, std::string client, Deadline deadline) {
  Forgetting forgetting(question.secret);
  LoopServices& services = *LoopServices::here();
  std::shared_ptr<Generation> generation = host_.current();
  Providers providers = providers_of(*generation);
  bool sure = providers.complete, asked = false;
  for (Provider& provider : providers.list) {
    if ((kinds_of(provider) & bit(question.kind)) == 0) continue;
    asked = true;
    AuthAnswer answer = co_await ask(services, std::move(provider), &question, client, deadline);
    if (answer.kind == AuthAnswer::Kind::ok) co_return answer;
    sure = sure && answer.kind == AuthAnswer::Kind::denied;
  }
  AuthAnswer out;
  if (sure && asked) out.kind = AuthAnswer::Kind::denied;
  co_return out;
}

Task<AuthTrial> try_password(PluginHost& host, std::string plugin, std::string account, std::string password, Deadline deadline) {
  AuthTrial out;
  AuthQuestion question;
  question.mechanism = "PLAIN";
  question.account = std::move(account);
  question.secret = std::move(password);
  Forgetting forgetting(question.secret);
  Provider provider = find_provider(*host.current(), plugin, ServiceKind::auth);
  if (!provider) co_return out;
  out.kinds = kinds_of(provider);
  out.answer = co_await ask(host.main(), std::move(provider), &question, {}, deadline);
  co_return out;
}

std::vector<std::string> mechanisms_of(uint32_t kinds) {
  std::vector<std::string> out;
  for (std::string_view name : sasl_mechanisms())
    if (kinds & bit(sasl_needs(name))) out.emplace_back(name);
  return out;
}

}  // namespace veredus
