// Fuzz target: a resolver answers anything. Whatever comes must be read without harm and within bounds; what is believed must be about the
// question; and what is shown to people and programs must be printable.
#include <cstdint>
#include <cstdlib>

#include "base/text.h"
#include "net/dns_message.h"
#include "net/dns_name.h"
#include "net/dns_text.h"
#include "net/resolv_conf.h"
#include "net/test_dns.h"

namespace {

using namespace veredus;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const DnsQuery& query, const DnsReply& reply) {
  const DnsAnswer& answer = reply.answer;
  require(answer.records.size() <= max_records(query.type));
  require(!reply.believable || !answer.temporary());
  require(!answer.temporary() || answer.records.empty());
  require(answer.status == DnsStatus::ok || !answer.problem.empty());
  for (const DnsRecord& record : answer.records) {
    require(record.type == query.type && record.name == answer.canonical);
    require(record.text.size() <= 65535 && record.octets.size() <= 65535);
    if (query.type == DnsType::a) require(record.address.family == 4);
  }
  for (char c : describe(query.name, query.type, answer)) require(c == '\n' || (c >= 0x20 && c < 0x7F));
  require(is_ascii(describe_json(query.name, query.type, answer)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static constexpr DnsType kTypes[] = {DnsType::a, DnsType::mx, DnsType::txt, DnsType::tlsa, DnsType::cname, DnsType::ptr, DnsType::aaaa};
  if (size < 1) return 0;
  static const auto* queries = [] {
    auto* all = new std::vector<DnsQuery>;
    for (DnsType type : kTypes) all->push_back(*make_query("d.test", type, DnsQueryFlags()));
    return all;
  }();
  const DnsQuery& query = (*queries)[data[0] % queries->size()];
  std::string input(reinterpret_cast<const char*>(data + 1), size - 1);
  (void)answers(query, input);
  // The same octets as what follows a head and a question that fit, so that the records are reached.
  std::string message = input.substr(0, 6);
  if (message.size() == 6) {
    std::string head = query.octets.substr(0, 2) + std::string("\x81", 1) + static_cast<char>(static_cast<unsigned char>(message[0]) & 0xA3) + test::u16(1);
    head += std::string("\0", 1) + message[1] + std::string("\0", 1) + message[2] + std::string("\0", 1) + message[3];
    message = head + std::string(test::question_of(query.octets)) + input.substr(6);
    require(answers(query, message));
    check(query, read_reply(query, message));
  }
  if (input.size() >= 12) {
    if (answers(query, input)) check(query, read_reply(query, input));
    (void)is_truncated(input);
  }
  if (auto name = to_ascii_domain(input)) {
    require(name->size() <= 253 && is_ascii(*name));
    require(to_ascii_domain(*name).ok() && *to_ascii_domain(*name) == *name);
    (void)address_of_reverse_name(*name);
  }
  require(parse_resolv_conf(input).size() <= 3);
  return 0;
}
