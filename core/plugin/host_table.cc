// core.table/1: look-ups in the tables of plugins. A handle is the position of the opened table, from 1.
#include <veredus/svc_table.h>

#include "plugin/host_support.h"
#include "plugin/interfaces.h"
#include "plugin/service_state.h"

namespace veredus {

namespace {

constexpr size_t kMost = 10'000, kMostTables = 64, kMostKeys = 64, kLongestKey = 512, kLongestName = 255;
constexpr uint32_t kLongestWait = 60'000;

struct LookupRequest {
  Arena arena;
  std::vector<vrd_str> keys;
  ServiceExpect expect() const { return {ServiceKind::table, keys.size(), true, {}, {}}; }
  vrd_status call(const void* table, void* object, vrd_pending token) const {
    return static_cast<const vrd_svc_table_1*>(table)->lookup(object, keys.data(), keys.size(), token);
  }
};

OpTask look_up(Shard* shard, Provider provider, LookupRequest request, Millis patience, void* ctx, vrd_table_fn fn) {
  Op& op = co_await CurrentOp();
  LoopServices& services = shard->services;
  ServiceAnswer answer = co_await ServiceCalls::of(services).ask(std::move(provider), std::move(request), Deadline::in(services.loop, patience));
  op.release();
  const TableRows* rows = answer.ok() ? &std::get<TableRows>(answer.value) : nullptr;
  call_back(shard, "table answer", [&] { fn(ctx, answer.status, rows ? rows->rows.data() : nullptr, rows ? rows->rows.size() : 0); });
}

vrd_status open_table(const vrd_host* host, vrd_str name, uint32_t* table) {
  Instance& instance = Instance::of(host);
  if (!instance.check_main("core.table open")) return VRD_E_THREAD;
  if (instance.phase() != InstancePhase::creating) return VRD_E_STATE;
  if (!table || !readable(name) || !within(name.len, kLongestName)) return VRD_E_INVALID;
  auto& tables = ServiceState::of(instance).tables;
  if (tables.size() >= kMostTables) return VRD_E_MEMORY;
  tables.push_back({std::string(view_of(name)), nullptr, nullptr});
  *table = static_cast<uint32_t>(tables.size());
  return VRD_OK;
}

vrd_status lookup(const vrd_host* host, uint32_t table, const vrd_str* keys, size_t count, uint32_t timeout_ms, void* ctx, vrd_table_fn fn,
                  vrd_op* op) {
  Asking asking(host, "core.table lookup", OpService::table, kMost);
  if (!asking) return asking.status();
  const ServiceState* state = ServiceState::find(Instance::of(host));
  if (!fn || !keys || !within(count, kMostKeys) || !within(timeout_ms, kLongestWait)) return VRD_E_INVALID;
  if (!state || !within(table, state->tables.size())) return VRD_E_INVALID;
  const auto& opened = state->tables[table - 1];
  if (!opened.table) return VRD_E_STATE;
  LookupRequest request;
  request.keys.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    if (!readable(keys[i]) || keys[i].len > kLongestKey) return VRD_E_INVALID;
    request.keys.push_back(request.arena.put(view_of(keys[i])));
  }
  Provider provider{nullptr, opened.instance, opened.table};
  return asking.begin(look_up(&asking.shard(), std::move(provider), std::move(request), Millis(timeout_ms), ctx, fn), op);
}

void cancel(const vrd_host* host, vrd_op op) { cancel_op(host, "core.table cancel", OpService::table, op); }

}  // namespace

ServiceState& ServiceState::of(Instance& instance) {
  if (!instance.state) instance.state = std::make_unique<ServiceState>();
  return static_cast<ServiceState&>(*instance.state);
}

Status ServiceState::check(const Generation& generation) {
  for (OpenedTable& opened : tables) {
    Provider provider = find_provider(generation, opened.name, ServiceKind::table);
    if (!provider) return fail(Errc::not_found, "there is no table '" + opened.name + "': no plugin or instance of that name provides svc.table/1");
    opened.instance = provider.instance;
    opened.table = provider.table;
  }
  return {};
}

const vrd_core_table_1& core_table() {
  static constexpr vrd_core_table_1 table{VRD_SIZED(vrd_core_table_1), 0, open_table, lookup, cancel};
  return table;
}

}  // namespace veredus
