// One function a service: it reads the step's arguments, gives a token, and says how the answer struct is read.
#include "services.h"

#include <map>

#include "base/text.h"
#include "fakes.h"
#include "picture.h"

namespace veredus::ptest {

namespace {

constexpr int64_t kServiceTimeout = 30'000, kDeliverTimeout = 300'000;
constexpr size_t kLongestValue = 65'536;

using Reader = std::function<bool(const void*, YAML::Node*)>;

template <typename Answer>
Reader reader(std::function<bool(const Answer&, YAML::Node*)> read) {
  return [read = std::move(read)](const void* given, YAML::Node* out) {
    const auto* answer = static_cast<const Answer*>(given);
    return answer->size >= sizeof(Answer) && read(*answer, out);
  };
}

struct Asking {
  Bench& bench;
  Instance& instance;
  const Session& session;
  const YAML::Node& args;
  const char* service = "";
  const void* table = nullptr;

  std::string arg(const char* key, const std::string& otherwise = {}) const { return text_of(args, key, otherwise); }
  void* shard() const { return instance.shard; }
};

// Opens a token, calls, and ends it when the call itself fails.
ServiceAsked start(Asking& asking, Reader read, int64_t timeout_ms, const std::function<vrd_status(vrd_pending)>& call) {
  Token token;
  token.what = asking.service;
  token.owner = &asking.instance;
  token.kind = TokenKind::service;
  token.read = std::move(read);
  ServiceAsked out;
  out.token = asking.bench.open_token(std::move(token), timeout_ms);
  {
    LoopTime time(asking.service);
    out.status = VRD_E_FAULT;
    guarded(Role::loop, asking.service, [&] { out.status = call(out.token); });
  }
  if (out.status != VRD_OK) end_token(out.token, TokenState::answered, [&](Token& mine) { mine.status = out.status; });
  return out;
}

std::vector<std::string> texts(const YAML::Node& node) {
  std::vector<std::string> out;
  if (node.IsScalar()) out.push_back(node.Scalar());
  if (node.IsSequence())
    for (const auto& each : node) out.push_back(each.IsScalar() ? each.Scalar() : "");
  return out;
}

std::vector<vrd_str> strs(const std::vector<std::string>& texts) {
  std::vector<vrd_str> out;
  for (const std::string& text : texts) out.push_back(str_of(text));
  return out;
}

ServiceAsked lookup(Asking& a) {
  auto keys = texts(a.args.IsMap() ? a.args["keys"] : a.args);
  auto read = reader<vrd_table_answer>([count = keys.size()](const vrd_table_answer& answer, YAML::Node* out) {
    if (answer.count != count) return false;
    *out = YAML::Node(YAML::NodeType::Sequence);
    for (uint32_t i = 0; i < answer.count; ++i) {
      const vrd_table_row& row = answer.rows[i];
      if (row.value.len > kLongestValue || row.found > 1 || row.zero != 0) return false;
      out->push_back(row.found ? YAML::Node(string_of(row.value)) : YAML::Node());
    }
    return true;
  });
  auto list = strs(keys);
  auto table = static_cast<const vrd_svc_table_1*>(a.table);
  return start(a, read, kServiceTimeout, [&](vrd_pending token) { return table->lookup(a.shard(), list.data(), list.size(), token); });
}

std::string row_text(uint32_t smtp, const uint8_t* enhanced, vrd_str text) {
  std::string out = std::to_string(smtp);
  if (enhanced && enhanced[0]) out += " " + std::to_string(enhanced[0]) + "." + std::to_string(enhanced[1]) + "." + std::to_string(enhanced[2]);
  return text.len ? out + " " + string_of(text) : out;
}

bool read_rows(const vrd_deliver_answer& answer, const std::vector<uint32_t>& asked, YAML::Node* out) {
  std::map<uint32_t, std::string> rows;
  for (uint32_t i = 0; i < answer.count; ++i) {
    const vrd_deliver_row& row = answer.rows[i];
    bool known = std::find(asked.begin(), asked.end(), row.recipient) != asked.end();
    bool fits = row.enhanced[0] == 0 || row.enhanced[0] == row.smtp / 100;
    if (!known || !fits || row.smtp < 200 || row.smtp > 599 || row.smtp / 100 == 3 || rows.contains(row.recipient)) return false;
    rows[row.recipient] = row_text(row.smtp, row.enhanced, row.text);
  }
  *out = YAML::Node(YAML::NodeType::Sequence);
  for (uint32_t index : asked) out->push_back(rows.contains(index) ? YAML::Node(rows[index]) : YAML::Node());
  return true;
}

ServiceAsked deliver(Asking& a) {
  std::vector<uint32_t> recipients;
  if (a.args.IsMap() && a.args["recipients"])
    for (const std::string& text : texts(a.args["recipients"])) recipients.push_back(static_cast<uint32_t>(parse_uint(text).value_or(0)));
  else
    for (uint32_t i = 0; i < a.session.recipients.size(); ++i) recipients.push_back(i);
  auto read = reader<vrd_deliver_answer>([recipients](const vrd_deliver_answer& answer, YAML::Node* out) { return read_rows(answer, recipients, out); });
  auto table = static_cast<const vrd_svc_deliver_1*>(a.table);
  std::string argument = a.args.IsScalar() ? a.args.Scalar() : a.arg("argument");
  vrd_view* view = new_view(a.bench, a.session.picture(VRD_STAGE_ATTEMPT, true), "svc.deliver/1", false);
  auto out = start(a, read, kDeliverTimeout, [&](vrd_pending token) { return table->deliver(a.shard(), view, recipients.data(), recipients.size(), str_of(argument), token); });
  view->gone = true;
  return out;
}

ServiceAsked route(Asking& a) {
  auto read = reader<vrd_router_answer>([](const vrd_router_answer& answer, YAML::Node* out) {
    if (answer.smtp != 0 && answer.smtp / 100 != 4 && answer.smtp / 100 != 5) return false;
    if (answer.smtp == 0 && answer.next_hop.len == 0) return false;
    (*out)["smtp"] = answer.smtp;
    (*out)["next_hop"] = string_of(answer.next_hop);
    (*out)["pool"] = string_of(answer.pool);
    (*out)["text"] = string_of(answer.text);
    return true;
  });
  auto table = static_cast<const vrd_svc_router_1*>(a.table);
  vrd_view* view = new_view(a.bench, a.session.picture(VRD_STAGE_ROUTE, false), "svc.router/1", false);
  auto out = start(a, read, kServiceTimeout, [&](vrd_pending token) { return table->route(a.shard(), view, token); });
  view->gone = true;
  return out;
}

ServiceAsked auth(Asking& a) {
  static const std::map<std::string, uint32_t> kKinds{{"password", VRD_AUTH_PASSWORD}, {"secret", VRD_AUTH_SECRET}, {"token", VRD_AUTH_TOKEN}, {"external", VRD_AUTH_EXTERNAL}};
  auto read = reader<vrd_auth_answer>([](const vrd_auth_answer& answer, YAML::Node* out) {
    (*out)["account"] = string_of(answer.account);
    (*out)["tenant"] = string_of(answer.tenant);
    (*out)["secret"] = string_of(answer.secret);
    return true;
  });
  auto kind = kKinds.find(a.arg("kind", "password"));
  std::string mechanism = a.arg("mechanism", "PLAIN"), account = a.arg("account"), acting_as = a.arg("acting_as"), secret = a.arg("secret"), client = a.arg("client", "192.0.2.1");
  vrd_auth_request request{sizeof(vrd_auth_request), kind == kKinds.end() ? VRD_AUTH_PASSWORD : kind->second, str_of(mechanism), str_of(account), str_of(acting_as), str_of(secret), str_of(client)};
  auto table = static_cast<const vrd_svc_auth_1*>(a.table);
  return start(a, read, kServiceTimeout, [&](vrd_pending token) { return table->check(a.shard(), &request, token); });
}

uint32_t dns_type(const std::string& name) {
  static const std::map<std::string, uint32_t> kTypes{{"A", 1}, {"NS", 2}, {"CNAME", 5}, {"SOA", 6}, {"PTR", 12}, {"MX", 15}, {"TXT", 16}, {"AAAA", 28}, {"TLSA", 52}};
  auto found = kTypes.find(name);
  return found == kTypes.end() ? VRD_DNS_A : found->second;
}

bool read_dns(const vrd_dns_answer& answer, YAML::Node* out) {
  (*out)["secure"] = answer.secure != 0;
  (*out)["nxdomain"] = answer.nxdomain != 0;
  if (VRD_HAS(vrd_dns_answer, &answer, zero) && answer.bogus) (*out)["bogus"] = true;
  (*out)["records"] = YAML::Node(YAML::NodeType::Sequence);
  for (uint32_t i = 0; i < answer.count; ++i) {
    const vrd_dns_record* record = answer.records[i];
    if (!record || record->size < sizeof(vrd_dns_record)) return false;
    std::string text = string_of(record->text);
    (*out)["records"].push_back(record->type == VRD_DNS_MX ? std::to_string(record->preference) + " " + text : text);
  }
  return true;
}

ServiceAsked resolve(Asking& a) {
  std::string name = a.args.IsScalar() ? a.args.Scalar() : a.arg("name") + "/" + a.arg("type", "A");
  size_t slash = name.rfind('/');
  std::string type = slash == name.npos ? "A" : name.substr(slash + 1);
  name = name.substr(0, slash);
  vrd_dns_request request{sizeof(vrd_dns_request), dns_type(type), str_of(name), 5000, 0};
  auto table = static_cast<const vrd_svc_resolver_1*>(a.table);
  return start(a, reader<vrd_dns_answer>(read_dns), kServiceTimeout, [&](vrd_pending token) { return table->resolve(a.shard(), &request, token); });
}

bool read_store(const vrd_store_answer& answer, bool listing, size_t count, YAML::Node* out) {
  if (!listing && answer.count != count) return false;
  *out = YAML::Node(YAML::NodeType::Sequence);
  for (uint32_t i = 0; i < answer.count; ++i) {
    const vrd_kv_answer& each = answer.answers[i];
    YAML::Node row;
    std::string value = string_of(each.value);
    size_t nul = value.find('\0');
    if (listing && nul == value.npos) return false;
    if (listing) row["key"] = value.substr(0, nul);
    row["status"] = std::string(status_text(each.status));
    row["taken"] = each.taken;
    row["number"] = each.number;
    row["value"] = listing ? value.substr(nul + 1) : value;
    out->push_back(row);
  }
  return true;
}

struct StoreOp {
  std::string key, value;
  vrd_kv_op op;
};

int64_t number_arg(const YAML::Node& node, const char* key) { return static_cast<int64_t>(parse_uint(text_of(node, key, "0"), INT64_MAX).value_or(0)); }

void read_op(const YAML::Node& node, StoreOp& out) {
  static const std::map<std::string, uint32_t> kKinds{{"get", VRD_KV_GET}, {"put", VRD_KV_PUT}, {"remove", VRD_KV_REMOVE}, {"add", VRD_KV_ADD}, {"take", VRD_KV_TAKE}};
  out.op = vrd_kv_op{};
  out.op.size = sizeof(vrd_kv_op);
  for (const auto& [name, kind] : kKinds)
    if (node[name]) {
      out.op.kind = kind;
      out.key = node[name].Scalar();
    }
  out.value = text_of(node, "value");
  if (text_of(node, "if_absent") == "true") out.op.flags = VRD_KV_IF_ABSENT;
  if (text_of(node, "extend") == "true") out.op.flags = VRD_KV_EXTEND;
  out.op.ttl_ms = static_cast<uint64_t>(duration_of(text_of(node, "ttl", "0s")).value_or(0));
  out.op.number = number_arg(node, "number");
  out.op.capacity = number_arg(node, "capacity");
  out.op.rate = number_arg(node, "rate");
  out.op.key = str_of(out.key);
  out.op.value = str_of(out.value);
}

ServiceAsked store(Asking& a) {
  auto table = static_cast<const vrd_svc_store_1*>(a.table);
  std::string space = a.arg("space", a.instance.plugin->id);
  bool listing = a.args.IsMap() && a.args["list"];
  size_t count = a.args.IsMap() && a.args["ops"] ? a.args["ops"].size() : 0;
  auto read = reader<vrd_store_answer>([=](const vrd_store_answer& answer, YAML::Node* out) { return read_store(answer, listing, count, out); });
  if (listing) {
    std::string prefix = a.arg("list"), after = a.arg("after");
    auto limit = static_cast<uint32_t>(parse_uint(a.arg("limit", "100")).value_or(100));
    return start(a, read, kServiceTimeout, [&](vrd_pending token) { return table->list(a.shard(), str_of(space), str_of(prefix), str_of(after), limit, token); });
  }
  std::deque<StoreOp> ops(count);
  std::vector<const vrd_kv_op*> pointers;
  for (size_t i = 0; i < count; ++i) {
    read_op(a.args["ops"][i], ops[i]);
    pointers.push_back(&ops[i].op);
  }
  return start(a, read, kServiceTimeout, [&](vrd_pending token) { return table->run(a.shard(), str_of(space), pointers.data(), pointers.size(), token); });
}

ServiceAsked call(Asking& a) {
  std::string method = a.arg("method"), request = a.arg("request");
  auto read = reader<vrd_call_answer>([](const vrd_call_answer& answer, YAML::Node* out) {
    *out = string_of(answer.octets);
    return answer.octets.len <= (16u << 20);
  });
  auto table = static_cast<const vrd_svc_call_1*>(a.table);
  return start(a, read, kServiceTimeout, [&](vrd_pending token) { return table->call(a.shard(), str_of(method), str_of(request), token); });
}

bool read_policy(const vrd_tls_policy_answer& answer, YAML::Node* out) {
  static const char* const kModes[] = {"none", "testing", "enforce"};
  bool none = answer.mode == VRD_TLS_POLICY_NONE;
  if (answer.mode > VRD_TLS_POLICY_ENFORCE || (!none && answer.mx.len == 0) || (none && answer.mx.len != 0)) return false;
  (*out)["mode"] = std::string(kModes[answer.mode]);
  (*out)["mx"] = string_of(answer.mx);
  (*out)["text"] = string_of(answer.text);
  (*out)["result"] = string_of(answer.result);
  (*out)["problem"] = string_of(answer.problem);
  return true;
}

ServiceAsked tls_policy(Asking& a) {
  std::string domain = a.args.IsScalar() ? a.args.Scalar() : a.arg("domain");
  auto table = static_cast<const vrd_svc_tls_policy_1*>(a.table);
  return start(a, reader<vrd_tls_policy_answer>(read_policy), kServiceTimeout, [&](vrd_pending token) { return table->find(a.shard(), str_of(domain), token); });
}

ServiceAsked logsink(Asking& a) {
  auto table = static_cast<const vrd_svc_logsink_1*>(a.table);
  std::string lines = a.args.IsScalar() ? a.args.Scalar() : "";
  if (!lines.ends_with("\n")) lines += "\n";
  LoopTime time("svc.logsink/1");
  guarded(Role::loop, "svc.logsink/1", [&] { table->write(a.shard(), str_of(lines)); });
  return {};
}

struct Row {
  const char* step;
  const char* service;
  ServiceAsked (*ask)(Asking&);
};
constexpr Row kRows[] = {{"lookup", VRD_SVC_TABLE_1, lookup},      {"deliver", VRD_SVC_DELIVER_1, deliver},   {"route_service", VRD_SVC_ROUTER_1, route},
                         {"auth_service", VRD_SVC_AUTH_1, auth},   {"resolve", VRD_SVC_RESOLVER_1, resolve},  {"store", VRD_SVC_STORE_1, store},
                         {"call", VRD_SVC_CALL_1, call},           {"logsink", VRD_SVC_LOGSINK_1, logsink},
                         {"tls_policy", VRD_SVC_TLS_POLICY_1, tls_policy}};

const void* provided(const Instance& instance, const char* service) {
  bool listed = false;
  for (auto id = instance.plugin->services; id && *id; ++id) listed = listed || std::string_view(*id) == service;
  const void* table = nullptr;
  if (listed && instance.plugin->provide) guarded(Role::loop, "provide", [&] { table = instance.plugin->provide(instance.self, service); });
  return table;
}

}  // namespace

bool is_service_step(const std::string& step) {
  for (const Row& row : kRows)
    if (step == row.step) return true;
  return false;
}

ServiceAsked ask_service(Bench& bench, Instance& instance, const Session& session, const std::string& step, const YAML::Node& args) {
  for (const Row& row : kRows) {
    if (step != row.step) continue;
    Asking asking{bench, instance, session, args, row.service, provided(instance, row.service)};
    if (asking.table) return row.ask(asking);
    ServiceAsked out;
    out.problem = std::string("the plugin does not provide ") + row.service;
    return out;
  }
  return {};
}

}  // namespace veredus::ptest
