// svc.store/1: operations out, answers in.
#include "plugin/providers_store.h"

#include <veredus/svc_store.h>

#include <cmath>

#include "plugin/host_support.h"
#include "plugin/service_calls.h"

namespace veredus {

namespace {

constexpr double kThousandths = 1000.0;

struct StoreRun {
  Arena arena;
  vrd_str space{};
  std::vector<vrd_kv_op> ops;

  ServiceExpect expect() const { return {ServiceKind::store, ops.size(), true, {}, {}}; }
  vrd_status call(const void* table, void* object, vrd_pending token) const {
    std::vector<const vrd_kv_op*> pointers;
    for (const vrd_kv_op& op : ops) pointers.push_back(&op);
    return static_cast<const vrd_svc_store_1*>(table)->run(object, space, pointers.data(), pointers.size(), token);
  }
};

struct StoreList {
  Arena arena;
  vrd_str space{}, prefix{}, after{};
  uint32_t limit = 0;

  ServiceExpect expect() const { return {ServiceKind::store, limit, false, {}, {}}; }
  vrd_status call(const void* table, void* object, vrd_pending token) const {
    return static_cast<const vrd_svc_store_1*>(table)->list(object, space, prefix, after, limit, token);
  }
};

vrd_kv_op flat(Arena& arena, const KvOp& op) {
  vrd_kv_op out{VRD_SIZED(vrd_kv_op), VRD_KV_GET, 0, 0, arena.put(op.key), arena.put(op.value), static_cast<uint64_t>(op.ttl.count()), 0, 0, 0};
  switch (op.kind) {
    case KvOp::Kind::put:
      out.kind = VRD_KV_PUT;
      out.flags = op.if_absent ? VRD_KV_IF_ABSENT : 0;
      break;
    case KvOp::Kind::remove: out.kind = VRD_KV_REMOVE; break;
    case KvOp::Kind::add:
      out.kind = VRD_KV_ADD;
      out.flags = op.extend ? VRD_KV_EXTEND : 0;
      out.number = op.delta;
      break;
    case KvOp::Kind::take:
      out.kind = VRD_KV_TAKE;
      out.number = static_cast<int64_t>(op.bucket.cost);
      out.capacity = static_cast<int64_t>(op.bucket.capacity);
      out.rate = std::llround(op.bucket.per_second * kThousandths);
      break;
    case KvOp::Kind::get: case KvOp::Kind::list: case KvOp::Kind::count: break;
  }
  return out;
}

Error failure(vrd_status status) {
  if (status == VRD_E_TIMEOUT) return fail(Errc::timeout, "the store did not answer in time");
  if (status == VRD_E_TEMPORARY || status == VRD_E_BUSY) return fail(Errc::busy, "the store cannot answer now");
  return fail(Errc::io, "the store failed");
}

KvAnswer read(const KvOp& op, const vrd_kv_answer& row) {
  KvAnswer out;
  if (row.status == VRD_E_INVALID) out.status = fail(Errc::invalid, "the store refused the operation");
  else if (row.status != VRD_OK && row.status != VRD_E_NOT_FOUND && row.status != VRD_E_STATE) out.status = failure(row.status);
  out.done = row.status == VRD_OK && (op.kind != KvOp::Kind::take || row.taken == 1);
  if (op.kind == KvOp::Kind::take && !out.done) out.wait = Millis(row.number);
  out.number = row.number;
  out.value = view_of(row.value);
  return out;
}

KvAnswer read_list(const StoreRows& rows, size_t limit) {
  KvAnswer out;
  for (const vrd_kv_answer& row : rows.rows) {
    std::string_view both = view_of(row.value);
    size_t nul = both.find('\0');
    if (nul == both.npos) return KvAnswer(fail(Errc::corrupt, "the store listed a key without a value"));
    KvEntry entry;
    entry.key = both.substr(0, nul);
    entry.value = both.substr(nul + 1);
    out.entries.push_back(std::move(entry));
  }
  if (out.entries.size() == limit) out.next = out.entries.back().key;
  return out;
}

Task<Result<std::vector<KvAnswer>>> ask_list(LoopServices& services, Provider provider, std::string space, KvOp op, Deadline deadline) {
  StoreList request;
  request.space = request.arena.put(space);
  request.prefix = request.arena.put(op.key);
  request.after = request.arena.put(op.value);
  request.limit = static_cast<uint32_t>(op.limit);
  ServiceAnswer answer = co_await ServiceCalls::of(services).ask(std::move(provider), std::move(request), deadline);
  if (!answer.ok()) co_return failure(answer.status);
  std::vector<KvAnswer> out;
  out.push_back(read_list(std::get<StoreRows>(answer.value), op.limit));
  co_return out;
}

}  // namespace

Task<Result<std::vector<KvAnswer>>> PluginKv::run(Loop&, std::string space, std::vector<KvOp> ops, Deadline deadline) {
  LoopServices& services = *LoopServices::here();
  Provider provider = find_provider(services, name_, ServiceKind::store);
  if (!provider) co_return fail(Errc::busy, "there is no plugin '" + name_ + "' that stores");
  bool listing = ops.size() == 1 && ops[0].kind == KvOp::Kind::list;
  if (listing) co_return co_await ask_list(services, std::move(provider), std::move(space), std::move(ops[0]), deadline);
  StoreRun request;
  request.space = request.arena.put(space);
  for (const KvOp& op : ops) {
    if (op.kind == KvOp::Kind::list || op.kind == KvOp::Kind::count) co_return fail(Errc::unsupported, "a listing goes by itself");
    request.ops.push_back(flat(request.arena, op));
  }
  ServiceAnswer answer = co_await ServiceCalls::of(services).ask(std::move(provider), std::move(request), deadline);
  if (!answer.ok()) co_return failure(answer.status);
  const StoreRows& rows = std::get<StoreRows>(answer.value);
  std::vector<KvAnswer> out;
  for (size_t i = 0; i < ops.size(); ++i) out.push_back(read(ops[i], rows.rows[i]));
  co_return out;
}

bool offers_kv(const LoopServices& services) { return services.kv || (services.settings && !services.settings()->kv.store.empty()); }

Task<Result<std::vector<KvAnswer>>> run_kv(LoopServices& services, std::string space, std::vector<KvOp> ops, Deadline deadline) {
  std::string store = services.settings ? services.settings()->kv.store : "";
  if (store.empty()) co_return co_await services.kv->run(services.loop, std::move(space), std::move(ops), deadline);
  PluginKv kv(std::move(store));
  co_return co_await kv.run(services.loop, std::move(space), std::move(ops), deadline);
}

}  // namespace veredus
