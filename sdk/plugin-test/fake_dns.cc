// core.dns/1 from the script: `dns: { "a.test/A": [192.0.2.1], "b.test/TXT": nxdomain, "c.test/A": { records: [..], delay: 3s } }`. A name
// that the script does not have does not exist; a name with other types has no records of this one.
#include <algorithm>

#include "base/address_ip.h"
#include "base/text.h"
#include "fakes.h"

namespace veredus::ptest {

namespace {

struct TypeName {
  uint32_t type;
  const char* name;
};
constexpr TypeName kTypes[] = {{VRD_DNS_A, "A"},     {VRD_DNS_NS, "NS"}, {VRD_DNS_CNAME, "CNAME"}, {VRD_DNS_SOA, "SOA"},  {VRD_DNS_PTR, "PTR"},
                               {VRD_DNS_MX, "MX"},   {VRD_DNS_TXT, "TXT"}, {VRD_DNS_AAAA, "AAAA"}, {VRD_DNS_TLSA, "TLSA"}};

const char* type_name(uint32_t type) {
  for (const TypeName& row : kTypes)
    if (row.type == type) return row.name;
  return nullptr;
}

struct Answer {
  vrd_status status = VRD_OK;
  bool nxdomain = false, secure = false, bogus = false;
  int64_t delay = 0;
  uint32_t ttl = 300;
  std::vector<std::string> records;
};

std::string hex_octets(const std::string& text) {
  std::string out;
  for (size_t i = 0; i + 1 < text.size(); i += 2) out += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  return out;
}

// The octets of a record: of a TLSA record "3 1 1 abcd", of an address its own.
std::string data_of(uint32_t type, const std::string& text) {
  std::string out;
  if (auto ip = IpAddress::parse(text); ip && (type == VRD_DNS_A || type == VRD_DNS_AAAA))
    return std::string(reinterpret_cast<const char*>(ip->octets.data()) + (ip->family == 4 ? 0 : 0), ip->family == 4 ? 4 : 16);
  if (type != VRD_DNS_TLSA) return out;
  auto words = split(text, ' ');
  for (size_t i = 0; i < words.size(); ++i)
    out += i < 3 ? std::string(1, static_cast<char>(parse_uint(words[i], 255).value_or(0))) : hex_octets(std::string(words[i]));
  return out;
}

struct Made {
  std::string owner, text, data;
  vrd_dns_record record;
};

void fill(Made& made, uint32_t type, uint32_t ttl, const std::string& owner, std::string text) {
  made.owner = lowered(owner);
  made.record = vrd_dns_record{};
  made.record.size = sizeof(vrd_dns_record);
  made.record.type = type;
  made.record.ttl = ttl;
  made.data = data_of(type, text);
  size_t space = text.find(' ');
  if (type == VRD_DNS_MX && space != text.npos) {
    made.record.preference = static_cast<uint32_t>(parse_uint(text.substr(0, space), 65535).value_or(0));
    text = text.substr(space + 1);
  }
  bool is_name = type == VRD_DNS_MX || type == VRD_DNS_NS || type == VRD_DNS_PTR || type == VRD_DNS_CNAME;
  if (is_name) text = lowered(text);
  if (is_name && !text.empty() && text.back() == '.') text.pop_back();
  made.text = type == VRD_DNS_TLSA ? "" : text;
  made.record.owner = str_of(made.owner);
  made.record.text = str_of(made.text);
  made.record.data = str_of(made.data);
}

void read_short(const YAML::Node& node, Answer& out) {
  std::string text = node.Scalar();
  if (text == "nxdomain") out.nxdomain = true;
  else if (text == "servfail") out.status = VRD_E_TEMPORARY;
  else if (text == "bogus") out.status = VRD_E_TEMPORARY, out.bogus = true;
  else if (text == "timeout") out.status = VRD_E_TIMEOUT;
  else out.records.push_back(text);
}

void read_records(const YAML::Node& node, Answer& out) {
  if (node.IsScalar()) return read_short(node, out);
  for (const auto& each : node) out.records.push_back(each.Scalar());
}

Answer read_answer(const YAML::Node& node) {
  Answer out;
  if (!node.IsMap()) {
    read_records(node, out);
    return out;
  }
  if (node["records"]) read_records(node["records"], out);
  std::string status = text_of(node, "status");
  if (!status.empty()) read_short(node["status"], out);
  if (!status.empty() && !out.nxdomain && out.status == VRD_OK) out.records.clear();
  out.status = status == "nxdomain" || status == "servfail" || status == "bogus" ? out.status : status_of(node, out.status);
  out.secure = text_of(node, "secure") == "true";
  out.delay = delay_of(node);
  out.ttl = static_cast<uint32_t>(parse_uint(text_of(node, "ttl", "300")).value_or(300));
  return out;
}

Answer look_up(const YAML::Node& fakes, const std::string& name, const std::string& type) {
  Answer none;
  none.nxdomain = true;
  if (!fakes.IsMap()) return none;
  for (const auto& entry : fakes) {
    std::string key = entry.first.Scalar();
    size_t slash = key.rfind('/');
    if (slash == key.npos || !iequals(key.substr(0, slash), name)) continue;
    if (iequals(key.substr(slash + 1), type)) return read_answer(entry.second);
    none.nxdomain = false;
  }
  return none;
}

void deliver(const Answer& answer, const std::string& name, uint32_t type, void* ctx, vrd_dns_fn fn, vrd_status status) {
  const vrd_dns_answer bogus{sizeof(vrd_dns_answer), 0, 0, 0, nullptr, 1, 0};
  if (status != VRD_OK) return fn(ctx, status, answer.bogus ? &bogus : nullptr);
  std::vector<Made> made(answer.records.size());
  std::vector<const vrd_dns_record*> pointers;
  for (size_t i = 0; i < made.size(); ++i) {
    fill(made[i], type, answer.ttl, name, answer.records[i]);
    pointers.push_back(&made[i].record);
  }
  vrd_dns_answer out{sizeof(vrd_dns_answer), answer.secure, answer.nxdomain, static_cast<uint32_t>(made.size()), pointers.data(), 0, 0};
  fn(ctx, VRD_OK, &out);
}

vrd_status query(const vrd_host* host, const vrd_dns_request* request, void* ctx, vrd_dns_fn fn, vrd_op* op) {
  Instance* instance = nullptr;
  vrd_status status = gate(host, "core.dns query", Where::loop, &instance);
  if (status != VRD_OK) return status;
  const char* type = request && request->size >= sizeof(vrd_dns_request) ? type_name(request->type) : nullptr;
  if (!type || !fn || request->name.len == 0 || request->name.len > 255 || !good_timeout(request->timeout_ms, 60'000)) return VRD_E_INVALID;
  if (request->zero != 0) watch().breach("unknown bits", "core.dns query with a request whose `zero` is not 0");
  std::string name = string_of(request->name);
  if (name.back() == '.' && name.size() > 1) name.pop_back();
  Answer answer = look_up(instance->bench->fake("dns"), name, type);
  Request ask;
  ask.service = Service::dns;
  ask.what = std::string("dns ") + type + " " + name;
  ask.timeout_ms = request->timeout_ms;
  ask.delay_ms = answer.delay;
  ask.status = answer.status;
  ask.deliver = [=, number = request->type](vrd_status given) { deliver(answer, name, number, ctx, fn, given); };
  return instance->bench->ask(*instance, std::move(ask), op);
}

void cancel(const vrd_host* host, vrd_op op) { cancel_request(host, op, "core.dns cancel"); }

}  // namespace

const vrd_core_dns_1* dns_table() {
  static const vrd_core_dns_1 kTable{sizeof(vrd_core_dns_1), 0, query, cancel};
  return &kTable;
}

}  // namespace veredus::ptest
