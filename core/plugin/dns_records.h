// DnsRecords: a resolver's answer as plugins see it, and back. The structs point into the DnsAnswer, which must live as long. Values.
#pragma once

#include <optional>
#include <vector>

#include <veredus/dns.h>

#include "base/result.h"
#include "net/resolver.h"

namespace veredus {

std::optional<DnsType> dns_type_of_number(uint32_t number);

class DnsRecords {
 public:
  explicit DnsRecords(const DnsAnswer& answer);
  DnsRecords(const DnsRecords&) = delete;
  const vrd_dns_answer* answer() const { return &answer_; }

 private:
  std::vector<std::string> texts_;  // addresses as text and as octets
  std::vector<vrd_dns_record> records_;
  std::vector<const vrd_dns_record*> pointers_;
  vrd_dns_answer answer_{};
};

// What a plugin answered to a question. Everything is checked; names come out in lower case.
Result<DnsAnswer> read_dns_answer(const vrd_dns_answer& given, DnsType type, const std::string& name);

}  // namespace veredus
