// svc.table/1, one key at a time.
#include "plugin/providers_table.h"

#include <veredus/svc_table.h>

#include "plugin/host_support.h"
#include "plugin/service_calls.h"

namespace veredus {

namespace {

constexpr size_t kLongestKey = 512;  // as core.table has it

struct KeyCall {
  std::string key;
  ServiceExpect expect() const { return {ServiceKind::table, 1, true, {}, {}}; }
  vrd_status call(const void* table, void* object, vrd_pending token) const {
    vrd_str one = str_of(key);
    return static_cast<const vrd_svc_table_1*>(table)->lookup(object, &one, 1, token);
  }
};

TableAnswer cannot(std::string problem) { return {TableAnswer::Kind::temporary, {}, std::move(problem)}; }

std::string_view why(vrd_status status) {
  switch (status) {
    case VRD_E_TIMEOUT: return "' did not answer in time";
    case VRD_E_TEMPORARY: case VRD_E_BUSY: return "' cannot be asked now";
    case VRD_E_CLOSED: return "' has ended";
    default: return "' failed";
  }
}

TableAnswer read_answer(const ServiceAnswer& answer, const std::string& table) {
  if (!answer.ok()) return cannot("The table '" + table + std::string(why(answer.status)));
  const auto& rows = std::get<TableRows>(answer.value).rows;
  if (rows.front().found == 0) return {TableAnswer::Kind::absent, {}, {}};
  return {TableAnswer::Kind::found, std::string(view_of(rows.front().value)), {}};
}

}  // namespace

bool PluginTablePort::offers(std::string_view table) const {
  return static_cast<bool>(find_provider(*host_.current(), table, ServiceKind::table));
}

Task<TableAnswer> PluginTablePort::look_up(Loop&, std::string table, std::string key, Deadline deadline) {
  if (key.size() > kLongestKey) co_return TableAnswer{TableAnswer::Kind::absent, {}, {}};
  Provider provider = find_provider(*host_.current(), table, ServiceKind::table);
  if (!provider) co_return cannot("There is no table '" + table + "'");
  KeyCall call{std::move(key)};
  ServiceAnswer answer = co_await ServiceCalls::of(*LoopServices::here()).ask(std::move(provider), std::move(call), deadline);
  co_return read_answer(answer, table);
}

}  // namespace veredus
