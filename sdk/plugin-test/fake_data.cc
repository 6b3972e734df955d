// core.kv/1 on the bench's store, and core.table/1 from the script: `tables: { users: { a@b.test: yes }, broken: temporary }`.
#include <algorithm>

#include "fakes.h"

namespace veredus::ptest {

namespace {

constexpr const char* kKvNames[] = {"", "get", "put", "remove", "add", "take"};

void answer_kv(const std::vector<KvAnswer>& answers, void* ctx, vrd_kv_fn fn) {
  std::vector<vrd_kv_answer> out;
  for (const KvAnswer& each : answers) out.push_back({each.status, each.taken, each.number, str_of(each.value)});
  fn(ctx, VRD_OK, out.data(), out.size());
}

vrd_status start_kv(Instance* instance, std::string what, uint32_t timeout_ms, void* ctx, vrd_kv_fn fn, std::function<std::vector<KvAnswer>()> run,
                    vrd_op* op) {
  Request ask;
  ask.service = Service::kv;
  ask.what = std::move(what);
  ask.timeout_ms = timeout_ms;
  ask.deliver = [=](vrd_status given) {
    if (given != VRD_OK) return fn(ctx, given, nullptr, 0);
    answer_kv(run(), ctx, fn);
  };
  return instance->bench->ask(*instance, std::move(ask), op);
}

vrd_status kv_run(const vrd_host* host, const vrd_kv_op* const* ops, size_t count, uint32_t timeout_ms, void* ctx, vrd_kv_fn fn, vrd_op* op) {
  Instance* instance = nullptr;
  vrd_status status = gate(host, "core.kv run", Where::loop, &instance);
  if (status != VRD_OK) return status;
  if (!ops || count < 1 || count > 64 || !fn || !good_timeout(timeout_ms, 60'000)) return VRD_E_INVALID;
  std::vector<KvStore::Operation> list;
  std::string what = "kv";
  for (size_t i = 0; i < count; ++i) {
    auto read = KvStore::read(ops[i]);
    if (!read) {
      watch().breach("unknown bits", "core.kv run with an operation whose kind, flags, key or numbers are out of bounds");
      return VRD_E_INVALID;
    }
    what += std::string(" ") + kKvNames[read->kind] + " " + read->key;
    list.push_back(std::move(*read));
  }
  KvStore* store = &instance->bench->kv;
  auto run = [list, store] {
    std::vector<KvAnswer> answers;
    for (const auto& each : list) answers.push_back(store->run(each));
    return answers;
  };
  return start_kv(instance, what, timeout_ms, ctx, fn, run, op);
}

vrd_status kv_list(const vrd_host* host, vrd_str prefix, vrd_str after, uint32_t limit, uint32_t timeout_ms, void* ctx, vrd_kv_fn fn, vrd_op* op) {
  Instance* instance = nullptr;
  vrd_status status = gate(host, "core.kv list", Where::loop, &instance);
  if (status != VRD_OK) return status;
  if (limit < 1 || limit > 1000 || !fn || !good_timeout(timeout_ms, 60'000)) return VRD_E_INVALID;
  KvStore* store = &instance->bench->kv;
  auto run = [store, begin = string_of(prefix), from = string_of(after), limit] { return store->list(begin, from, limit); };
  return start_kv(instance, "kv list " + string_of(prefix), timeout_ms, ctx, fn, run, op);
}

void kv_cancel(const vrd_host* host, vrd_op op) { cancel_request(host, op, "core.kv cancel"); }

vrd_status table_open(const vrd_host* host, vrd_str name, uint32_t* table) {
  Instance* instance = nullptr;
  vrd_status status = gate(host, "core.table open", Where::create, &instance);
  if (status != VRD_OK) return status;
  if (!table || name.len == 0 || name.len > 64) return VRD_E_INVALID;
  if (instance->tables.size() >= 64) return VRD_E_MEMORY;
  *table = static_cast<uint32_t>(instance->tables.size());
  instance->tables.push_back(string_of(name));
  return VRD_OK;
}

// The rows of a table: the mapping itself, or its `rows` when it says more.
YAML::Node rows_of(const YAML::Node& table) { return table.IsMap() && table["rows"] && table["rows"].IsMap() ? table["rows"] : table; }

struct Rows {
  std::vector<std::string> values;
  std::vector<bool> found;
};

Rows find_rows(const YAML::Node& table, const std::vector<std::string>& keys) {
  Rows out;
  YAML::Node rows = rows_of(table);
  for (const std::string& key : keys) {
    bool found = false;
    std::string value;
    if (rows.IsMap())
      for (const auto& entry : rows)
        if (entry.first.Scalar() == key) {
          found = true;
          value = entry.second.IsScalar() ? entry.second.Scalar() : "";
        }
    out.values.push_back(value);
    out.found.push_back(found);
  }
  return out;
}

void answer_rows(const Rows& rows, void* ctx, vrd_table_fn fn) {
  std::vector<vrd_table_row> out;
  for (size_t i = 0; i < rows.values.size(); ++i) out.push_back({rows.found[i] ? 1u : 0u, 0, str_of(rows.values[i])});
  fn(ctx, VRD_OK, out.data(), out.size());
}

vrd_status table_lookup(const vrd_host* host, uint32_t table, const vrd_str* keys, size_t count, uint32_t timeout_ms, void* ctx, vrd_table_fn fn, vrd_op* op) {
  Instance* instance = nullptr;
  vrd_status status = gate(host, "core.table lookup", Where::loop, &instance);
  if (status != VRD_OK) return status;
  if (table >= instance->tables.size() || !keys || count < 1 || count > 64 || !fn || !good_timeout(timeout_ms, 60'000)) return VRD_E_INVALID;
  Request ask;
  ask.what = "table " + instance->tables[table];
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i) {
    if (keys[i].len > 512) return VRD_E_INVALID;
    names.push_back(string_of(keys[i]));
    ask.what += " " + names.back();
  }
  const YAML::Node& fakes = instance->bench->fake("tables");
  YAML::Node fake = fakes.IsMap() && fakes[instance->tables[table]] ? fakes[instance->tables[table]] : YAML::Node();
  ask.service = Service::table;
  ask.timeout_ms = timeout_ms;
  bool is_status = fake.IsScalar() && status_by_text(fake.Scalar(), &ask.status);
  if (!is_status && fake.IsMap() && fake["rows"] && fake["rows"].IsMap()) {
    ask.status = status_of(fake);
    ask.delay_ms = delay_of(fake);
  }
  ask.deliver = [rows = find_rows(fake, names), ctx, fn](vrd_status given) {
    if (given != VRD_OK) return fn(ctx, given, nullptr, 0);
    answer_rows(rows, ctx, fn);
  };
  return instance->bench->ask(*instance, std::move(ask), op);
}

void table_cancel(const vrd_host* host, vrd_op op) { cancel_request(host, op, "core.table cancel"); }

}  // namespace

const vrd_core_kv_1* kv_table() {
  static const vrd_core_kv_1 kTable{sizeof(vrd_core_kv_1), 0, kv_run, kv_list, kv_cancel};
  return &kTable;
}

const vrd_core_table_1* table_table() {
  static const vrd_core_table_1 kTable{sizeof(vrd_core_table_1), 0, table_open, table_lookup, table_cancel};
  return &kTable;
}

}  // namespace veredus::ptest
