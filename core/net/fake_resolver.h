// FakeResolver: answers from a table, for the tests of other folders. Unknown names do not exist; a gate holds an answer back until the test
// opens it. One loop.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "net/resolver.h"

namespace veredus {

class FakeResolver final : public Resolver {
 public:
  explicit FakeResolver(Loop& loop) : loop_(loop) {}

  // Adds to what the name has. Every name that has anything answers no_data for other types.
  void add_a(const std::string& name, const std::string& ip) { add(name, DnsType::a).address = *IpAddress::parse(ip); }
  void add_aaaa(const std::string& name, const std::string& ip) { add(name, DnsType::aaaa).address = *IpAddress::parse(ip); }
  void add_mx(const std::string& name, uint16_t preference, const std::string& target) {
    DnsRecord& record = add(name, DnsType::mx);
    record.preference = preference;
    record.text = target;
  }
  void add_txt(const std::string& name, const std::string& text) { add(name, DnsType::txt).text = text; }
  void add_tlsa(const std::string& name, const std::string& octets) { add(name, DnsType::tlsa).octets = octets; }
  void add_ptr(const std::string& name, const std::string& target) { add(name, DnsType::ptr).text = target; }
  void fail_with(const std::string& name, DnsType type, DnsStatus status, const std::string& problem = "as the test wants it") {
    DnsAnswer& answer = answers_[{lowered(name), type}];
    answer = {};
    answer.status = status;
    answer.problem = problem;
  }
  DnsAnswer& answer(const std::string& name, DnsType type) { return answers_[{lowered(name), type}]; }  // to change anything else
  void forget(const std::string& name) {
    std::erase_if(answers_, [&](const auto& one) { return one.first.first == lowered(name); });
  }

  // From now on questions for this name and type wait until the event is set.
  Event& gate(const std::string& name, DnsType type) {
    auto& gate = gates_[{lowered(name), type}];
    if (!gate) gate = std::make_unique<Event>(loop_);
    return *gate;
  }

  std::vector<std::pair<std::string, DnsType>> asked;
  size_t times_asked(const std::string& name, DnsType type) const {
    return static_cast<size_t>(std::count(asked.begin(), asked.end(), Key(name, type)));
  }

  Task<std::shared_ptr<const DnsAnswer>> query(std::string name, DnsType type, Deadline deadline) override {
    Key key(lowered(name), type);
    asked.push_back(key);
    if (auto gate = gates_.find(key); gate != gates_.end()) {
      bool opened = co_await gate->second->wait(deadline);
      if (!opened) co_return given(name, DnsStatus::timeout, "no answer in time");
    }
    if (auto found = answers_.find(key); found != answers_.end()) co_return std::make_shared<const DnsAnswer>(found->second);
    bool exists = std::any_of(answers_.begin(), answers_.end(), [&](const auto& one) { return one.first.first == key.first; });
    co_return given(key.first, exists ? DnsStatus::no_data : DnsStatus::no_name, exists ? "no such record" : "no such name");
  }

 private:
  using Key = std::pair<std::string, DnsType>;

  static std::shared_ptr<const DnsAnswer> given(const std::string& name, DnsStatus status, std::string problem) {
    DnsAnswer out;
    out.status = status;
    out.canonical = name;
    out.problem = std::move(problem);
    return std::make_shared<const DnsAnswer>(std::move(out));
  }
  DnsRecord& add(const std::string& name, DnsType type) {
    DnsAnswer& answer = answers_[{lowered(name), type}];
    answer.status = DnsStatus::ok;
    answer.problem.clear();
    answer.canonical = lowered(name);
    answer.ttl = 300;
    answer.server = "fake";
    DnsRecord record;
    record.type = type;
    record.name = lowered(name);
    record.ttl = 300;
    return answer.records.emplace_back(std::move(record));
  }

  Loop& loop_;
  std::map<Key, DnsAnswer> answers_;
  std::map<Key, std::unique_ptr<Event>> gates_;
};

}  // namespace veredus
