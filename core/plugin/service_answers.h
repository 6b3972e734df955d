// What providers answer, copied and checked: values that outlive the provider's call. One kind a service.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <veredus/kv.h>
#include <veredus/table.h>

#include "net/resolver.h"
#include "plugin/arena.h"
#include "smtp/reply.h"

namespace veredus {

enum class ServiceKind : uint8_t { table, router, deliver, auth, resolver, store, call, tls_policy };
constexpr size_t kServiceKinds = 8;
std::string_view service_id(ServiceKind kind);    // "svc.table/1"
std::string_view service_name(ServiceKind kind);  // "table"

struct TableRows {
  Arena arena;
  std::vector<vrd_table_row> rows;
};
struct StoreRows {
  Arena arena;
  std::vector<vrd_kv_answer> rows;
};
struct RouterChoice {
  std::string next_hop, pool;
  Reply failure;  // code 0 = none
};
struct DeliverRow {
  uint32_t recipient;
  Reply reply;
};
struct AuthAccount {
  std::string account, tenant, secret;
};
struct PolicyChoice {
  uint32_t mode = 0;  // VRD_TLS_POLICY_NONE ...
  std::vector<std::string> mx;
  std::string text, result, problem;
};

struct ServiceAnswer {
  vrd_status status = VRD_E_FAULT;
  std::variant<std::monostate, TableRows, RouterChoice, std::vector<DeliverRow>, AuthAccount, DnsAnswer, StoreRows, std::string, PolicyChoice> value;
  bool ok() const { return status == VRD_OK; }
};

// What was asked, as far as the answer is measured by it.
struct ServiceExpect {
  ServiceKind kind = ServiceKind::call;
  size_t most = 0;      // of rows
  bool exactly = true;  // so many, not fewer
  DnsType dns_type{};
  std::string dns_name;
};

// `answer` is the struct of the service. An error says what its service does not allow.
Result<ServiceAnswer> copy_answer(const ServiceExpect& expect, vrd_status status, const void* answer);

// "550 5.1.1 text" of the numbers of an interface; enhanced all 0: by the code. False: they do not fit.
bool make_reply(uint32_t smtp, const uint8_t (&enhanced)[3], vrd_str text, Reply& out);
Reply make_failure(uint16_t code, EnhancedCode enhanced, std::string text);

}  // namespace veredus
