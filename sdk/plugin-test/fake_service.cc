// core.service/1: other plugins from the script (`calls: { "provider/method": answer }`) and the answers of this plugin's services; and
// core.queue/1, which keeps what it was asked for.
#include <algorithm>

#include "fakes.h"
#include "mail/address.h"

namespace veredus::ptest {

namespace {

vrd_status answer(vrd_pending number, vrd_status status, const void* given) {
  Token* token = find_token(number);
  if (!token || token->kind != TokenKind::service) {
    watch().breach("token", "core.service answer to a token that no service was given");
    return VRD_E_INVALID;
  }
  YAML::Node node;
  bool good = status < 0 ? given == nullptr : status == VRD_OK && given && token->read(given, &node);
  if (!good) watch().breach("answer", token->what + ": an answer that its service does not allow");
  bool first = end_token(number, TokenState::answered, [&](Token& mine) {
    mine.status = good ? status : VRD_E_FAULT;
    mine.answer.reset(node);
  });
  if (!first && token->state == TokenState::answered) watch().breach("token", "a token of " + token->what + " was answered twice");
  return !first ? VRD_E_LATE : good ? VRD_OK : VRD_E_INVALID;
}

vrd_status call(const vrd_host* host, vrd_str provider, vrd_str method, vrd_str request, uint32_t timeout_ms, void* ctx, vrd_call_fn fn, vrd_op* op) {
  Instance* instance = nullptr;
  vrd_status status = gate(host, "core.service call", Where::loop, &instance);
  if (status != VRD_OK) return status;
  if (!fn || provider.len == 0 || !good_timeout(timeout_ms, 600'000)) return VRD_E_INVALID;
  std::string key = string_of(provider) + "/" + string_of(method);
  const YAML::Node& fakes = instance->bench->fake("calls");
  YAML::Node fake = fakes.IsMap() && fakes[key] ? fakes[key] : YAML::Node();
  Request ask;
  ask.service = Service::call;
  ask.what = "call " + key + (request.len ? " " + string_of(request) : "");
  ask.timeout_ms = timeout_ms;
  ask.status = fake.IsNull() ? VRD_E_NOT_FOUND : fake.IsMap() ? status_of(fake) : VRD_OK;
  ask.delay_ms = delay_of(fake);
  std::string text = fake.IsScalar() ? fake.Scalar() : text_of(fake, "answer");
  ask.deliver = [=](vrd_status given) { fn(ctx, given, given == VRD_OK ? str_of(text) : no_str()); };
  return instance->bench->ask(*instance, std::move(ask), op);
}

void call_cancel(const vrd_host* host, vrd_op op) { cancel_request(host, op, "core.service cancel"); }

vrd_status start_queue(Instance* instance, std::string what, std::string id, uint64_t touched, void* ctx, vrd_queue_fn fn, vrd_op* op) {
  Request ask;
  ask.service = Service::queue;
  ask.what = std::move(what);
  ask.deliver = [=](vrd_status given) { fn(ctx, given, given == VRD_OK ? str_of(id) : no_str(), given == VRD_OK ? touched : 0); };
  return instance->bench->ask(*instance, std::move(ask), op);
}

bool good_message(const vrd_queue_message* message) {
  if (!message || message->size < sizeof(*message) || message->recipient_count < 1 || message->recipient_count > 1000) return false;
  if (message->sender.len != 0 && !Address::parse(view_of(message->sender)).ok()) return false;
  for (uint64_t i = 0; i < message->recipient_count; ++i)
    if (!Address::parse(view_of(message->recipients[i])).ok()) return false;
  std::string_view octets = view_of(message->octets);
  return octets.find(':') != octets.npos && octets.find("\r\n") != octets.npos;
}

vrd_status inject(const vrd_host* host, const vrd_queue_message* message, void* ctx, vrd_queue_fn fn, vrd_op* op) {
  Instance* instance = nullptr;
  vrd_status status = gate(host, "core.queue inject", Where::loop, &instance);
  if (status != VRD_OK) return status;
  if (!fn || !good_message(message)) return VRD_E_INVALID;
  std::string what = "queue inject <" + string_of(message->sender) + ">";
  for (uint64_t i = 0; i < message->recipient_count; ++i) what += " " + string_of(message->recipients[i]);
  return start_queue(instance, what + " " + string_of(message->octets), "FEDCBA9876543210", 0, ctx, fn, op);
}

vrd_status act(const vrd_host* host, const vrd_queue_selector* selector, uint32_t action, vrd_str reason, void* ctx, vrd_queue_fn fn, vrd_op* op) {
  constexpr const char* kActions[] = {"", "retry", "hold", "release", "bounce", "remove"};
  Instance* instance = nullptr;
  vrd_status status = gate(host, "core.queue act", Where::loop, &instance);
  if (status != VRD_OK) return status;
  if (!selector || selector->size < sizeof(*selector) || !fn || action < VRD_QUEUE_RETRY || action > VRD_QUEUE_REMOVE || selector->held > 2) return VRD_E_INVALID;
  std::string what = std::string("queue ") + kActions[action];
  for (uint64_t i = 0; i < selector->id_count; ++i) what += " id=" + string_of(selector->ids[i]);
  auto add = [&](const char* name, vrd_str value) { what += value.len ? std::string(" ") + name + "=" + string_of(value) : ""; };
  add("sender", selector->sender);
  add("recipient", selector->recipient);
  add("domain", selector->domain);
  add("destination", selector->destination);
  add("tenant", selector->tenant);
  return start_queue(instance, what + " (" + string_of(reason) + ")", "", 1, ctx, fn, op);
}

vrd_status suspend(const vrd_host* host, vrd_str pattern, vrd_str reason, void* ctx, vrd_queue_fn fn, vrd_op* op) {
  Instance* instance = nullptr;
  vrd_status status = gate(host, "core.queue suspend", Where::loop, &instance);
  if (status != VRD_OK) return status;
  if (!fn || pattern.len == 0) return VRD_E_INVALID;
  return start_queue(instance, "queue suspend " + string_of(pattern) + " (" + string_of(reason) + ")", "", 0, ctx, fn, op);
}

vrd_status resume(const vrd_host* host, vrd_str pattern, void* ctx, vrd_queue_fn fn, vrd_op* op) {
  Instance* instance = nullptr;
  vrd_status status = gate(host, "core.queue resume", Where::loop, &instance);
  if (status != VRD_OK) return status;
  if (!fn || pattern.len == 0) return VRD_E_INVALID;
  return start_queue(instance, "queue resume " + string_of(pattern), "", 0, ctx, fn, op);
}

void queue_cancel(const vrd_host* host, vrd_op op) { cancel_request(host, op, "core.queue cancel"); }

}  // namespace

const vrd_core_service_1* service_table() {
  static const vrd_core_service_1 kTable{sizeof(vrd_core_service_1), 0, answer, call, call_cancel};
  return &kTable;
}

const vrd_core_queue_1* queue_table() {
  static const vrd_core_queue_1 kTable{sizeof(vrd_core_queue_1), 0, inject, act, suspend, resume, queue_cancel};
  return &kTable;
}

}  // namespace veredus::ptest
