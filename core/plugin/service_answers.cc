// Checks and copies, one function a service.
#include "plugin/service_answers.h"

#include <veredus/veredus.h>

#include <algorithm>

#include "base/text.h"
#include "config/settings.h"
#include "mail/address.h"
#include "plugin/dns_records.h"
#include "plugin/host_support.h"

namespace veredus {

namespace {

constexpr size_t kMostTableValue = 64 * 1024, kMostStoreValue = kKvMaxKey + 1 + kKvMaxValue, kMostCallOctets = 16 << 20;
constexpr size_t kMostReplyText = 480, kMostWord = 255, kMostSecret = 64 * 1024;
constexpr size_t kMostPolicyText = 64 * 1024, kMostPatterns = 1'000, kMostProblem = 1'000;

Error bad(std::string text) { return fail(Errc::invalid, std::move(text)); }

// The struct, if it is long enough to have the member named last.
#define VRD_GIVEN(type, given, member) (static_cast<const type*>(given)->size >= offsetof(type, member) + sizeof(type::member))

Result<ServiceAnswer> copy_table(const ServiceExpect& expect, const vrd_table_answer& given) {
  if (!VRD_GIVEN(vrd_table_answer, &given, rows) || given.count != expect.most || !given.rows) return bad("not one row a key");
  TableRows out;
  out.rows.reserve(given.count);
  for (uint32_t i = 0; i < given.count; ++i) {
    const vrd_table_row& row = given.rows[i];
    if (row.found > 1 || (row.found && (!readable(row.value) || row.value.len > kMostTableValue))) return bad("a value that is too long");
    out.rows.push_back({row.found, 0, row.found ? out.arena.put(view_of(row.value)) : str_of({})});
  }
  return ServiceAnswer{VRD_OK, std::move(out)};
}

Result<ServiceAnswer> copy_router(const vrd_router_answer& given) {
  if (!VRD_GIVEN(vrd_router_answer, &given, text)) return bad("a struct that is too short");
  RouterChoice out;
  if (!readable(given.next_hop) || !readable(given.pool) || !readable(given.text) || given.pool.len > kMostWord) return bad("a text that is too long");
  if (given.smtp != 0) {
    const uint8_t none[3] = {};
    if (given.smtp < 400 || !make_reply(given.smtp, none, given.text, out.failure)) return bad("a code that is no failure");
    return ServiceAnswer{VRD_OK, std::move(out)};
  }
  out.next_hop = view_of(given.next_hop);
  out.pool = view_of(given.pool);
  if (!out.next_hop.empty() && !parse_next_hops(out.next_hop)) return bad("a next hop that cannot be read");
  return ServiceAnswer{VRD_OK, std::move(out)};
}

Result<ServiceAnswer> copy_deliver(const ServiceExpect& expect, const vrd_deliver_answer& given) {
  if (!VRD_GIVEN(vrd_deliver_answer, &given, rows) || given.count > expect.most || (given.count > 0 && !given.rows)) return bad("too many rows");
  std::vector<DeliverRow> out;
  for (uint32_t i = 0; i < given.count; ++i) {
    const vrd_deliver_row& row = given.rows[i];
    DeliverRow copy{row.recipient, {}};
    if (!make_reply(row.smtp, row.enhanced, row.text, copy.reply)) return bad("a reply that makes no sense");
    out.push_back(std::move(copy));
  }
  return ServiceAnswer{VRD_OK, std::move(out)};
}

Result<ServiceAnswer> copy_auth(const vrd_auth_answer& given) {
  if (!VRD_GIVEN(vrd_auth_answer, &given, secret)) return bad("a struct that is too short");
  if (!readable(given.account) || !readable(given.tenant) || !readable(given.secret)) return bad("a text without octets");
  if (given.account.len > kMostWord || given.tenant.len > kMostWord || given.secret.len > kMostSecret) return bad("a text that is too long");
  return ServiceAnswer{VRD_OK, AuthAccount{std::string(view_of(given.account)), std::string(view_of(given.tenant)), std::string(view_of(given.secret))}};
}

Result<ServiceAnswer> copy_dns(const ServiceExpect& expect, const vrd_dns_answer& given) {
  auto answer = read_dns_answer(given, expect.dns_type, expect.dns_name);
  if (!answer) return answer.error();
  return ServiceAnswer{VRD_OK, std::move(*answer)};
}

Result<ServiceAnswer> copy_store(const ServiceExpect& expect, const vrd_store_answer& given) {
  if (!VRD_GIVEN(vrd_store_answer, &given, answers) || given.count > expect.most || (expect.exactly && given.count != expect.most))
    return bad("not one answer an operation");
  if (given.count > 0 && !given.answers) return bad("answers without octets");
  StoreRows out;
  for (uint32_t i = 0; i < given.count; ++i) {
    vrd_kv_answer row = given.answers[i];
    if (!readable(row.value) || row.value.len > kMostStoreValue || row.status > 0) return bad("an answer that makes no sense");
    row.value = out.arena.put(view_of(row.value));
    out.rows.push_back(row);
  }
  return ServiceAnswer{VRD_OK, std::move(out)};
}

// "mx.example.test" or "*.example.test", as certificates have names.
bool is_mx_pattern(std::string_view text) {
  if (text.starts_with("*.")) text.remove_prefix(2);
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  return !text.empty() && text.size() <= kMostWord && text.find_first_not_of(kAllowed) == std::string_view::npos;
}

Result<ServiceAnswer> copy_tls_policy(const vrd_tls_policy_answer& given) {
  if (!VRD_GIVEN(vrd_tls_policy_answer, &given, problem)) return bad("a struct that is too short");
  if (!readable(given.mx) || !readable(given.text) || !readable(given.result) || !readable(given.problem)) return bad("a text without octets");
  if (given.mode > VRD_TLS_POLICY_ENFORCE) return bad("a mode that does not exist");
  if (given.mx.len > kMostPolicyText || given.text.len > kMostPolicyText || given.result.len > kMostWord) return bad("a text that is too long");
  PolicyChoice out;
  out.mode = given.mode;
  for (std::string_view line : split(view_of(given.mx), '\n')) {
    if (line.empty()) continue;
    if (!is_mx_pattern(line) || out.mx.size() == kMostPatterns) return bad("a name of a mail exchanger that cannot be read, or too many of them");
    out.mx.push_back(lowered(line));
  }
  if (out.mode != VRD_TLS_POLICY_NONE && out.mx.empty()) return bad("a policy that allows no mail exchanger");
  out.text = view_of(given.text);
  out.result = printable(view_of(given.result), kMostWord);
  out.problem = printable(view_of(given.problem), kMostProblem);
  return ServiceAnswer{VRD_OK, std::move(out)};
}

Result<ServiceAnswer> copy_call(const vrd_call_answer& given) {
  if (!VRD_GIVEN(vrd_call_answer, &given, octets) || !readable(given.octets) || given.octets.len > kMostCallOctets) return bad("too many octets");
  return ServiceAnswer{VRD_OK, std::string(view_of(given.octets))};
}

}  // namespace

std::string_view service_id(ServiceKind kind) {
  static constexpr std::string_view ids[] = {VRD_SVC_TABLE_1,    VRD_SVC_ROUTER_1, VRD_SVC_DELIVER_1, VRD_SVC_AUTH_1,
                                             VRD_SVC_RESOLVER_1, VRD_SVC_STORE_1,  VRD_SVC_CALL_1,    VRD_SVC_TLS_POLICY_1};
  static_assert(std::size(ids) == kServiceKinds);
  return ids[static_cast<size_t>(kind)];
}

std::string_view service_name(ServiceKind kind) {
  std::string_view id = service_id(kind);
  return id.substr(4, id.size() - 6);
}

bool make_reply(uint32_t smtp, const uint8_t (&enhanced)[3], vrd_str text, Reply& out) {
  uint32_t cls = smtp / 100;
  if (smtp > 599 || (cls != 2 && cls != 4 && cls != 5) || !readable(text)) return false;
  bool given = enhanced[0] != 0 || enhanced[1] != 0 || enhanced[2] != 0;
  if (given && enhanced[0] != cls) return false;
  out.code = static_cast<uint16_t>(smtp);
  out.enhanced = given ? EnhancedCode{enhanced[0], enhanced[1], enhanced[2]} : EnhancedCode{static_cast<uint8_t>(cls), 0, 0};
  out.lines = {printable(view_of(text), kMostReplyText)};
  return true;
}

Reply make_failure(uint16_t code, EnhancedCode enhanced, std::string text) {
  Reply out;
  out.code = code;
  out.enhanced = enhanced;
  out.lines = {std::move(text)};
  return out;
}

Result<ServiceAnswer> copy_answer(const ServiceExpect& expect, vrd_status status, const void* answer) {
  if (status > 0 || status < VRD_E_CONFIG) return bad("a status that does not exist");
  if (status == VRD_E_NOT_FOUND && expect.kind == ServiceKind::table) return bad("\"not found\" for all keys: it is said in their rows");
  if (status != VRD_OK) return ServiceAnswer{status, {}};
  if (!answer) return bad("success without an answer");
  switch (expect.kind) {
    case ServiceKind::table: return copy_table(expect, *static_cast<const vrd_table_answer*>(answer));
    case ServiceKind::router: return copy_router(*static_cast<const vrd_router_answer*>(answer));
    case ServiceKind::deliver: return copy_deliver(expect, *static_cast<const vrd_deliver_answer*>(answer));
    case ServiceKind::auth: return copy_auth(*static_cast<const vrd_auth_answer*>(answer));
    case ServiceKind::resolver: return copy_dns(expect, *static_cast<const vrd_dns_answer*>(answer));
    case ServiceKind::store: return copy_store(expect, *static_cast<const vrd_store_answer*>(answer));
    case ServiceKind::tls_policy: return copy_tls_policy(*static_cast<const vrd_tls_policy_answer*>(answer));
    case ServiceKind::call: break;
  }
  return copy_call(*static_cast<const vrd_call_answer*>(answer));
}

}  // namespace veredus
