// core.kv/1: the plugin's own entries, in the embedded store or in the one that `core: kv: store:` names.
#include <veredus/kv.h>

#include "plugin/host_support.h"
#include "plugin/interfaces.h"
#include "plugin/providers_store.h"

namespace veredus {

namespace {

constexpr size_t kMost = 10'000, kMostOps = 64;
constexpr uint32_t kLongestWait = 60'000, kMostListed = 1'000;
constexpr uint64_t kLongestTtl = uint64_t{100} * 366 * 86'400'000;
constexpr double kThousandths = 1000.0;

// What was asked for, and how the store's answers become those of the plugin. A value that a conditional put finds is read right behind it.
struct KvRequest {
  std::vector<KvOp> ops;
  std::vector<uint32_t> kinds;  // of the plugin's operations
};

bool read_one(const vrd_kv_op& op, KvRequest& out) {
  if (!VRD_HAS(vrd_kv_op, &op, rate) || !readable(op.key) || !readable(op.value) || op.ttl_ms > kLongestTtl) return false;
  if (!within(op.key.len, kKvMaxKey) || op.value.len > kKvMaxValue) return false;
  if (view_of(op.key).find('\0') != std::string_view::npos) return false;  // list() answers key, NUL, value
  uint32_t allowed = op.kind == VRD_KV_PUT ? VRD_KV_IF_ABSENT : op.kind == VRD_KV_ADD ? VRD_KV_EXTEND : 0;
  if ((op.flags & ~allowed) != 0) return false;
  std::string key(view_of(op.key));
  Millis ttl(static_cast<int64_t>(op.ttl_ms));
  switch (op.kind) {
    case VRD_KV_GET: out.ops.push_back(KvOp::get(key)); break;
    case VRD_KV_REMOVE: out.ops.push_back(KvOp::remove(key)); break;
    case VRD_KV_ADD: out.ops.push_back(KvOp::add(key, op.number, ttl, (op.flags & VRD_KV_EXTEND) != 0)); break;
    case VRD_KV_PUT:
      if ((op.flags & VRD_KV_IF_ABSENT) == 0) {
        out.ops.push_back(KvOp::put(key, std::string(view_of(op.value)), ttl));
        break;
      }
      out.ops.push_back(KvOp::put_if_absent(key, std::string(view_of(op.value)), ttl));
      out.ops.push_back(KvOp::get(key));
      out.kinds.push_back(op.kind | VRD_KV_IF_ABSENT << 8);
      return true;
    case VRD_KV_TAKE:
      if (op.capacity < 1 || op.rate < 1 || op.number < 0 || op.number > op.capacity) return false;
      out.ops.push_back(KvOp::take(key, TokenBucket{static_cast<double>(op.capacity), static_cast<double>(op.rate) / kThousandths,
                                                    static_cast<double>(op.number)}));
      break;
    default: return false;
  }
  out.kinds.push_back(op.kind);
  return true;
}

vrd_kv_answer one_answer(uint32_t kind, const KvAnswer& given) {
  vrd_kv_answer out{VRD_OK, 0, 0, str_of({})};
  if (!given.status) {
    out.status = status_of(given.status.error().code);
    return out;
  }
  bool missing = !given.done && (kind == VRD_KV_GET || kind == VRD_KV_REMOVE);
  if (missing) out.status = VRD_E_NOT_FOUND;
  if (kind == VRD_KV_GET && given.done) out.value = str_of(given.value);
  if (kind == VRD_KV_ADD) out.number = given.number;
  if (kind == VRD_KV_TAKE) {
    out.taken = given.done;
    out.number = given.done ? 0 : given.wait.count();
  }
  return out;
}

std::vector<vrd_kv_answer> answers_of(const std::vector<uint32_t>& kinds, const std::vector<KvAnswer>& given) {
  std::vector<vrd_kv_answer> out;
  size_t at = 0;
  for (uint32_t kind : kinds) {
    const KvAnswer& one = given[at++];
    out.push_back(one_answer(kind & 0xFF, one));
    if (kind == (kind & 0xFF)) continue;
    const KvAnswer& present = given[at++];
    if (!one.status || one.done) continue;
    out.back().status = VRD_E_STATE;
    out.back().value = str_of(present.value);
  }
  return out;
}

vrd_status whole_status(Errc code) {
  return code == Errc::timeout ? VRD_E_TIMEOUT : code == Errc::busy ? VRD_E_TEMPORARY : status_of(code);
}

OpTask run_ops(Shard* shard, KvRequest request, Millis patience, void* ctx, vrd_kv_fn fn) {
  Op& op = co_await CurrentOp();
  LoopServices& services = shard->services;
  std::vector<uint32_t> kinds = std::move(request.kinds);
  size_t expected = request.ops.size();
  auto given = co_await run_kv(services, shard->instance.name(), std::move(request.ops), Deadline::in(services.loop, patience));
  op.release();
  bool whole = given && given->size() == expected;
  std::vector<vrd_kv_answer> answers;
  if (whole) answers = answers_of(kinds, *given);
  vrd_status status = whole ? VRD_OK : given ? VRD_E_FAULT : whole_status(given.error().code);
  call_back(shard, "kv answer", [&] { fn(ctx, status, whole ? answers.data() : nullptr, answers.size()); });
}

OpTask run_list(Shard* shard, KvOp listing, Millis patience, void* ctx, vrd_kv_fn fn) {
  Op& op = co_await CurrentOp();
  LoopServices& services = shard->services;
  std::vector<KvOp> ops;
  ops.push_back(std::move(listing));
  auto answers_given = co_await run_kv(services, shard->instance.name(), std::move(ops), Deadline::in(services.loop, patience));
  op.release();
  KvAnswer given = answers_given ? std::move(answers_given->front()) : KvAnswer(answers_given.error());
  std::vector<std::string> texts;
  for (const KvEntry& entry : given.entries) texts.push_back(entry.key + '\0' + entry.value);
  std::vector<vrd_kv_answer> answers;
  for (const std::string& text : texts) answers.push_back({VRD_OK, 0, 0, str_of(text)});
  vrd_status status = given.status ? VRD_OK : whole_status(given.status.error().code);
  call_back(shard, "kv answer", [&] { fn(ctx, status, given.status ? answers.data() : nullptr, answers.size()); });
}

vrd_status run(const vrd_host* host, const vrd_kv_op* const* ops, size_t count, uint32_t timeout_ms, void* ctx, vrd_kv_fn fn, vrd_op* op) {
  Asking asking(host, "core.kv run", OpService::kv, kMost);
  if (!asking) return asking.status();
  if (!fn || !ops || !within(count, kMostOps) || !within(timeout_ms, kLongestWait)) return VRD_E_INVALID;
  KvRequest request;
  for (size_t i = 0; i < count; ++i)
    if (!ops[i] || !read_one(*ops[i], request)) return VRD_E_INVALID;
  if (!offers_kv(asking.services())) return VRD_E_UNSUPPORTED;
  return asking.begin(run_ops(&asking.shard(), std::move(request), Millis(timeout_ms), ctx, fn), op);
}

vrd_status list(const vrd_host* host, vrd_str prefix, vrd_str after, uint32_t limit, uint32_t timeout_ms, void* ctx, vrd_kv_fn fn, vrd_op* op) {
  Asking asking(host, "core.kv list", OpService::kv, kMost);
  if (!asking) return asking.status();
  if (!fn || !readable(prefix) || !readable(after) || prefix.len > kKvMaxKey || after.len > kKvMaxKey) return VRD_E_INVALID;
  if (!within(limit, kMostListed) || !within(timeout_ms, kLongestWait)) return VRD_E_INVALID;
  if (!offers_kv(asking.services())) return VRD_E_UNSUPPORTED;
  KvOp listing = KvOp::list(std::string(view_of(prefix)), limit, std::string(view_of(after)));
  return asking.begin(run_list(&asking.shard(), std::move(listing), Millis(timeout_ms), ctx, fn), op);
}

void cancel(const vrd_host* host, vrd_op op) { cancel_op(host, "core.kv cancel", OpService::kv, op); }

}  // namespace

const vrd_core_kv_1& core_kv() {
  static constexpr vrd_core_kv_1 table{VRD_SIZED(vrd_core_kv_1), 0, run, list, cancel};
  return table;
}

}  // namespace veredus
