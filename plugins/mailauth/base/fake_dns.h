// FakeDns: a zone in memory for tests, with answers that fail. Loop thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mailauth/base/dns.h"

namespace mailauth {

class FakeDns : public Dns {
 public:
  // A name without any record does not exist. `text` as in vrd_dns_record; MX: "10 host.test".
  FakeDns& add(std::string name, uint32_t type, std::string text) {
    vrd::DnsRecord record;
    record.type = type;
    record.owner = name;
    record.ttl = 300;
    size_t space = type == VRD_DNS_MX ? text.find(' ') : std::string::npos;
    if (space != std::string::npos) record.preference = static_cast<uint32_t>(std::stoul(text.substr(0, space)));
    record.text = space == std::string::npos ? std::move(text) : text.substr(space + 1);
    names_.insert(name);
    zone_[{std::move(name), type}].push_back(std::move(record));
    return *this;
  }
  FakeDns& fail(std::string name, uint32_t type, vrd_status status) {
    failing_[{std::move(name), type}] = status;
    return *this;
  }

  vrd::Task<vrd::DnsResult> ask(std::string name, uint32_t type) override {
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if (name.ends_with('.')) name.pop_back();
    asked.emplace_back(name, type);
    if (auto place = failing_.find({name, type}); place != failing_.end()) co_return vrd::DnsResult(place->second);
    vrd::DnsResult out(VRD_OK);
    if (auto place = zone_.find({name, type}); place != zone_.end()) out.records = place->second;
    out.nxdomain = !names_.contains(name);
    co_return out;
  }

  std::vector<std::pair<std::string, uint32_t>> asked;

 private:
  std::map<std::pair<std::string, uint32_t>, std::vector<vrd::DnsRecord>> zone_;
  std::map<std::pair<std::string, uint32_t>, vrd_status> failing_;
  std::set<std::string> names_;
};

// Runs a task that waits for nothing but a FakeDns.
template <typename T>
T run(vrd::Task<T> task) {
  task.start({[](void*) {}, nullptr});
  return task.take();
}

}  // namespace mailauth
