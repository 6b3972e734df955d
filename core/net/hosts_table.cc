// Answers from the hosts table and for names with a fixed meaning (RFC 6761).
#include "net/hosts_table.h"

#include "net/dns_name.h"

namespace veredus {

namespace {

constexpr uint32_t kTtl = 60;

DnsAnswer begin_answer(const std::string& name) {
  DnsAnswer out;
  out.status = DnsStatus::no_data;
  out.canonical = name;
  out.server = "hosts";
  out.ttl = kTtl;
  out.problem = name + " has no such record in the hosts table";
  return out;
}

DnsRecord& add(DnsAnswer& answer, DnsType type) {
  DnsRecord record;
  record.type = type;
  record.name = answer.canonical;
  record.ttl = kTtl;
  answer.status = DnsStatus::ok;
  answer.problem.clear();
  return answer.records.emplace_back(std::move(record));
}

DnsAnswer addresses(const std::string& name, DnsType type, const std::vector<IpAddress>& ips) {
  DnsAnswer out = begin_answer(name);
  for (const IpAddress& ip : ips)
    if ((type == DnsType::a && ip.family == 4) || (type == DnsType::aaaa && ip.family == 6)) add(out, type).address = ip;
  return out;
}

DnsAnswer names(const std::string& name, const std::vector<std::string>& targets) {
  DnsAnswer out = begin_answer(name);
  for (const std::string& target : targets) add(out, DnsType::ptr).text = target;
  return out;
}

DnsAnswer no_such_name(const std::string& name) {
  DnsAnswer out = begin_answer(name);
  out.status = DnsStatus::no_name;
  out.problem = name + " does not exist";
  return out;
}

const std::vector<IpAddress>& loopback() {
  static const std::vector<IpAddress> both{*IpAddress::parse("127.0.0.1"), *IpAddress::parse("::1")};
  return both;
}

}  // namespace

HostsTable::HostsTable(const std::map<std::string, std::vector<IpAddress>>& table) {
  for (const auto& [name, ips] : table) {
    auto ascii = to_ascii_domain(name);
    if (!ascii) continue;
    auto& mine = by_name_[*ascii];
    mine.insert(mine.end(), ips.begin(), ips.end());
    for (const IpAddress& ip : ips) by_address_[ip].push_back(*ascii);
  }
}

std::optional<DnsAnswer> HostsTable::answer(const std::string& name, DnsType type) const {
  if (auto found = by_name_.find(name); found != by_name_.end()) return addresses(name, type, found->second);
  if (is_localhost(name)) return addresses(name, type, loopback());
  if (name == "invalid" || name.ends_with(".invalid")) return no_such_name(name);
  IpAddress ip;
  if (type == DnsType::ptr) ip = address_of_reverse_name(name);
  if (auto found = by_address_.find(ip); ip && found != by_address_.end()) return names(name, found->second);
  if (ip && (ip == loopback()[0] || ip == loopback()[1])) return names(name, {"localhost"});
  return std::nullopt;
}

}  // namespace veredus
