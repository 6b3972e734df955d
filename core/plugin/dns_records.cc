// Flattening of DNS answers.
#include "plugin/dns_records.h"

#include <algorithm>

#include "base/text.h"
#include "net/dns_message.h"
#include "plugin/host_support.h"

namespace veredus {

namespace {

constexpr uint32_t kShortestTtl = 1, kLongestTtl = 86'400, kBogusTtl = 2;
constexpr size_t kLongestName = 255, kLongestText = 65'535;

bool is_address(DnsType type) { return type == DnsType::a || type == DnsType::aaaa; }

std::string octets_of(const IpAddress& ip) { return {reinterpret_cast<const char*>(ip.octets.data()), ip.family == 4 ? size_t{4} : 16}; }

std::string lowered_name(vrd_str text) {
  std::string out = lowered(view_of(text));
  if (out.ends_with('.')) out.pop_back();
  return out;
}

Result<DnsRecord> read_record(const vrd_dns_record& given, DnsType type) {
  DnsRecord out;
  if (!VRD_HAS(vrd_dns_record, &given, data) || given.type != static_cast<uint32_t>(type)) return fail(Errc::invalid, "a record of another type");
  if (!readable(given.owner) || !readable(given.text) || !readable(given.data) || given.owner.len > kLongestName || given.text.len > kLongestText)
    return fail(Errc::invalid, "a name or a text that is too long");
  out.type = type;
  out.ttl = given.ttl;
  out.name = lowered_name(given.owner);
  out.preference = static_cast<uint16_t>(std::min<uint32_t>(given.preference, UINT16_MAX));
  if (is_address(type)) {
    auto address = IpAddress::parse(view_of(given.text));
    if (!address || (address->family == 4) != (type == DnsType::a)) return fail(Errc::invalid, "a record without an address");
    out.address = *address;
  } else if (type == DnsType::tlsa) {
    if (given.data.len > kLongestText) return fail(Errc::invalid, "a TLSA record that is too long");
    out.octets = std::string(view_of(given.data));
  } else if (type == DnsType::txt) {
    out.text = std::string(view_of(given.text));
  } else {
    if (given.text.len > kLongestName) return fail(Errc::invalid, "a name that is too long");
    out.text = lowered_name(given.text);
  }
  return out;
}

Result<DnsAnswer> bogus_answer(const vrd_dns_answer& given, const std::string& name) {
  if (given.count > 0 || given.secure || given.nxdomain) return fail(Errc::invalid, "a bogus answer that says something");
  DnsAnswer out;
  out.status = DnsStatus::server_failure;
  out.bogus = true;
  out.ttl = kBogusTtl;
  out.canonical = lowered(name);
  out.problem = "the signatures of the answer for " + name + " are wrong";
  return out;
}

}  // namespace

std::optional<DnsType> dns_type_of_number(uint32_t number) {
  for (DnsType type : {DnsType::a, DnsType::ns, DnsType::cname, DnsType::soa, DnsType::ptr, DnsType::mx, DnsType::txt, DnsType::aaaa, DnsType::tlsa})
    if (static_cast<uint32_t>(type) == number) return type;
  return std::nullopt;
}

DnsRecords::DnsRecords(const DnsAnswer& answer) {
  size_t count = answer.records.size();
  texts_.reserve(2 * count);
  records_.reserve(count);
  for (const DnsRecord& record : answer.records) {
    vrd_dns_record out{VRD_SIZED(vrd_dns_record), static_cast<uint32_t>(record.type), record.ttl, record.preference, str_of(record.name),
                       str_of(record.text), str_of(record.octets)};
    if (is_address(record.type)) {
      out.text = str_of(texts_.emplace_back(record.address.text()));
      out.data = str_of(texts_.emplace_back(octets_of(record.address)));
    }
    records_.push_back(out);
  }
  for (const vrd_dns_record& record : records_) pointers_.push_back(&record);
  bool no_name = answer.status == DnsStatus::no_name;
  answer_ = {VRD_SIZED(vrd_dns_answer), answer.authentic, no_name, static_cast<uint32_t>(count), pointers_.data(), answer.bogus, 0};
}

Result<DnsAnswer> read_dns_answer(const vrd_dns_answer& given, DnsType type, const std::string& name) {
  DnsAnswer out;
  if (!VRD_HAS(vrd_dns_answer, &given, records) || given.count > max_records(type) || (given.count > 0 && (!given.records || given.nxdomain)))
    return fail(Errc::invalid, "an answer that contradicts itself");
  if (VRD_HAS(vrd_dns_answer, &given, zero) && given.bogus) return bogus_answer(given, name);
  out.ttl = given.count > 0 ? kLongestTtl : kShortestTtl * 60;
  for (uint32_t i = 0; i < given.count; ++i) {
    if (!given.records[i]) return fail(Errc::invalid, "an answer with a hole");
    auto record = read_record(*given.records[i], type);
    if (!record) return record.error();
    out.ttl = std::min(out.ttl, record->ttl);
    out.records.push_back(std::move(*record));
  }
  out.status = given.nxdomain ? DnsStatus::no_name : out.records.empty() ? DnsStatus::no_data : DnsStatus::ok;
  out.authentic = given.secure == 1;
  out.canonical = out.records.empty() ? lowered(name) : out.records.back().name;
  if (out.status != DnsStatus::ok) out.problem = given.nxdomain ? "no such name" : "no such record";
  return out;
}

}  // namespace veredus
