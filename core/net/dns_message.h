// DNS messages without I/O: the octets of a question, and an answer read from octets that may be anything. Bounded in records, CNAME steps
// and lengths. Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/resolver.h"

namespace veredus {

struct DnsQueryFlags {
  DnsQueryFlags() = default;
  bool edns = true;
  bool dnssec_ok = false;           // DO: signatures may come too
  bool checking_disabled = false;   // CD: the resolver shall not validate
};

struct DnsQuery {
  std::string name;  // as to_query_name returns it
  DnsType type{};
  uint16_t id = 0;
  std::string octets;
};

// Draws a random id.
Result<DnsQuery> make_query(std::string_view name, DnsType type, const DnsQueryFlags& flags);

// Whether the message can be the answer to the query: a response with its id and its question, letter case aside.
bool answers(const DnsQuery& query, std::string_view message);
bool is_truncated(std::string_view message);

struct DnsReply {
  DnsAnswer answer;
  uint8_t rcode = 0;
  bool believable = false;  // parsed and of a kind that settles the question: no error, no data, no such name
};

// `message` must answer the query. Never fails: what cannot be read has status malformed.
DnsReply read_reply(const DnsQuery& query, std::string_view message);

constexpr size_t kMaxDnsRecords = 100;
// Of TLSA and TXT records every one counts (the one that is wanted may be the last), so all that a message has room for are read.
constexpr size_t kMaxTlsaRecords = 4000;
constexpr size_t max_records(DnsType type) { return type == DnsType::tlsa || type == DnsType::txt ? kMaxTlsaRecords : kMaxDnsRecords; }
constexpr unsigned kMaxCnameSteps = 8;

}  // namespace veredus
