// Building and reading DNS messages with ldns. What ldns hands over is still only believed after its lengths were checked.
#include "net/dns_message.h"

#include <ldns/ldns.h>
#include <sys/random.h>

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "net/dns_name.h"

namespace veredus {

namespace {

constexpr size_t kHeader = 12;
constexpr uint16_t kUdpSize = 1232;

struct FreePacket {
  void operator()(ldns_pkt* packet) const { ldns_pkt_free(packet); }
};
using Packet = std::unique_ptr<ldns_pkt, FreePacket>;

unsigned octet(std::string_view message, size_t at) { return static_cast<unsigned char>(message[at]); }
unsigned pair_at(std::string_view message, size_t at) { return octet(message, at) << 8 | octet(message, at + 1); }
unsigned rcode_of(std::string_view message) { return octet(message, 3) & 15; }

uint16_t random_id() {
  uint16_t id = 0;
  while (getrandom(&id, sizeof id, 0) != sizeof id) {
  }
  return id;
}

std::string_view octets_of(const ldns_rdf* rdf) {
  return {reinterpret_cast<const char*>(ldns_rdf_data(rdf)), ldns_rdf_size(rdf)};
}

// Octets that could be mistaken for structure are written as \DDD, so such a name is never taken for another one.
void append_label(std::string& out, std::string_view label) {
  for (char c : label) {
    if (c > 0x20 && c < 0x7F && c != '.' && c != '\\') {
      out.push_back(ascii_lower(c));
      continue;
    }
    unsigned value = static_cast<unsigned char>(c);
    out += {'\\', static_cast<char>('0' + value / 100), static_cast<char>('0' + value / 10 % 10), static_cast<char>('0' + value % 10)};
  }
}

std::string name_text(const ldns_rdf* rdf) {
  std::string out;
  std::string_view wire = octets_of(rdf);
  while (!wire.empty() && wire[0] != 0) {
    size_t length = octet(wire, 0);
    if (length > 63 || wire.size() <= length) return "\\";
    if (!out.empty()) out.push_back('.');
    append_label(out, wire.substr(1, length));
    wire.remove_prefix(length + 1);
  }
  return out;
}

// A name that was asked for, as name_text() would give it.
std::string asked_text(std::string_view name) {
  std::string out;
  for (std::string_view label : split(name, '.')) {
    if (!out.empty()) out.push_back('.');
    append_label(out, label);
  }
  return out;
}

std::string joined_strings(const ldns_rr* rr) {
  std::string out;
  for (size_t i = 0; i < ldns_rr_rd_count(rr); ++i) {
    std::string_view piece = octets_of(ldns_rr_rdf(rr, i));
    if (!piece.empty()) out += piece.substr(1);
  }
  return out;
}

// Records that nobody can use are kept too: RFC 7672 demands TLS where there are any.
bool read_tlsa(const ldns_rr* rr, DnsRecord& out) {
  for (size_t i = 0; i < ldns_rr_rd_count(rr); ++i) out.octets += octets_of(ldns_rr_rdf(rr, i));
  return true;
}

bool read_address(const ldns_rr* rr, uint8_t family, DnsRecord& out) {
  std::string_view octets = octets_of(ldns_rr_rdf(rr, 0));
  if (octets.size() != (family == 4 ? 4u : 16u)) return false;
  IpAddress ip;
  ip.family = family;
  std::copy(octets.begin(), octets.end(), ip.octets.begin());
  out.address = IpAddress::parse(ip.text()).value_or(ip);  // IPv4-mapped addresses become IPv4
  return true;
}

bool read_mx(const ldns_rr* rr, DnsRecord& out) {
  if (ldns_rr_rd_count(rr) != 2 || ldns_rdf_size(ldns_rr_rdf(rr, 0)) != 2) return false;
  out.preference = static_cast<uint16_t>(pair_at(octets_of(ldns_rr_rdf(rr, 0)), 0));
  out.text = name_text(ldns_rr_rdf(rr, 1));
  return true;
}

bool read_data(const ldns_rr* rr, DnsRecord& out) {
  if (out.type == DnsType::tlsa) return read_tlsa(rr, out);
  if (ldns_rr_rd_count(rr) == 0) return false;
  switch (out.type) {
    case DnsType::a: return read_address(rr, 4, out);
    case DnsType::aaaa: return read_address(rr, 6, out);
    case DnsType::mx: return read_mx(rr, out);
    case DnsType::txt: out.text = joined_strings(rr); return true;
    default: out.text = name_text(ldns_rr_rdf(rr, 0)); return true;
  }
}

struct Owned {
  const ldns_rr* rr;
  std::string owner;
};

std::vector<Owned> records_of(const ldns_rr_list* list) {
  std::vector<Owned> out;
  for (size_t i = 0; i < ldns_rr_list_rr_count(list) && out.size() < kMaxTlsaRecords; ++i) {
    const ldns_rr* rr = ldns_rr_list_rr(list, i);
    if (ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN) out.push_back({rr, name_text(ldns_rr_owner(rr))});
  }
  return out;
}

const Owned* cname_of(const std::vector<Owned>& records, const std::string& owner) {
  for (const Owned& one : records)
    if (one.owner == owner && ldns_rr_get_type(one.rr) == LDNS_RR_TYPE_CNAME && ldns_rr_rd_count(one.rr) == 1) return &one;
  return nullptr;
}

// Follows the chain inside the answer. False: it never ends.
bool follow_cnames(const std::vector<Owned>& records, DnsAnswer& answer) {
  for (unsigned steps = 0; const Owned* alias = cname_of(records, answer.canonical); ++steps) {
    if (steps == kMaxCnameSteps) return false;
    answer.canonical = name_text(ldns_rr_rdf(alias->rr, 0));
    answer.ttl = std::min(answer.ttl, ldns_rr_ttl(alias->rr));
  }
  return true;
}

void take_records(const std::vector<Owned>& records, DnsType type, DnsAnswer& answer) {
  for (const Owned& one : records) {
    if (answer.records.size() == max_records(type)) return;
    if (one.owner != answer.canonical || ldns_rr_get_type(one.rr) != static_cast<ldns_rr_type>(type)) continue;
    DnsRecord record;
    record.type = type;
    record.name = one.owner;
    record.ttl = ldns_rr_ttl(one.rr);
    if (!read_data(one.rr, record)) continue;
    answer.ttl = std::min(answer.ttl, record.ttl);
    answer.records.push_back(std::move(record));
  }
}

// RFC 2308: how long "there is nothing" holds. Without a start of authority it does not hold at all.
uint32_t negative_ttl(const ldns_pkt* packet) {
  const ldns_rr_list* list = ldns_pkt_authority(packet);
  for (size_t i = 0; i < ldns_rr_list_rr_count(list); ++i) {
    const ldns_rr* rr = ldns_rr_list_rr(list, i);
    if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_SOA || ldns_rr_rd_count(rr) != 7) continue;
    if (ldns_rdf_size(ldns_rr_rdf(rr, 6)) != 4) continue;
    return std::min(ldns_rr_ttl(rr), ldns_rdf2native_int32(ldns_rr_rdf(rr, 6)));
  }
  return 0;
}

void malformed(DnsAnswer& answer, const char* why) {
  answer.status = DnsStatus::malformed;
  answer.problem = std::string("the answer for ") + answer.canonical + " cannot be used: " + why;
  answer.records.clear();
  answer.ttl = 0;
}

void read_settled(const DnsQuery& query, const ldns_pkt* packet, DnsReply& reply) {
  DnsAnswer& answer = reply.answer;
  answer.authentic = ldns_pkt_ad(packet);
  answer.ttl = UINT32_MAX;
  auto records = records_of(ldns_pkt_answer(packet));
  if (query.type != DnsType::cname && !follow_cnames(records, answer)) return malformed(answer, "its CNAME records never end");
  if (reply.rcode == LDNS_RCODE_NOERROR) take_records(records, query.type, answer);
  if (ldns_pkt_edns_extended_rcode(packet) != 0) return malformed(answer, "the resolver does not speak this version of EDNS");
  reply.believable = true;
  if (!answer.records.empty()) {
    answer.status = DnsStatus::ok;
    return;
  }
  answer.status = reply.rcode == LDNS_RCODE_NXDOMAIN ? DnsStatus::no_name : DnsStatus::no_data;
  answer.problem = answer.canonical + (answer.status == DnsStatus::no_name ? " does not exist" : " has no such record");
  answer.ttl = std::min(answer.ttl, negative_ttl(packet));
}

void read_failure(const DnsQuery& query, DnsReply& reply) {
  bool refused = reply.rcode == LDNS_RCODE_REFUSED;
  reply.answer.status = refused ? DnsStatus::refused : DnsStatus::server_failure;
  reply.answer.problem = "the resolver " + std::string(refused ? "refuses to answer" : "failed") + " for " + query.name + " (code " +
                         std::to_string(reply.rcode) + ")";
}

}  // namespace

Result<DnsQuery> make_query(std::string_view name, DnsType type, const DnsQueryFlags& flags) {
  auto ascii = to_query_name(name);
  if (!ascii) return ascii.error();
  DnsQuery query{*ascii, type, random_id(), {}};
  std::string wire = wire_name(query.name);
  ldns_rdf* owner = ldns_dname_new_frm_data(static_cast<uint16_t>(wire.size()), wire.data());
  if (!owner) return fail(Errc::invalid, "cannot ask for '" + query.name + "'");
  Packet packet(ldns_pkt_query_new(owner, static_cast<ldns_rr_type>(type), LDNS_RR_CLASS_IN, LDNS_RD | LDNS_AD));
  ldns_pkt_set_id(packet.get(), query.id);
  ldns_pkt_set_cd(packet.get(), flags.checking_disabled);
  if (flags.edns) ldns_pkt_set_edns_udp_size(packet.get(), kUdpSize);
  ldns_pkt_set_edns_do(packet.get(), flags.edns && flags.dnssec_ok);
  uint8_t* octets = nullptr;
  size_t size = 0;
  if (ldns_pkt2wire(&octets, packet.get(), &size) != LDNS_STATUS_OK) return fail(Errc::invalid, "cannot ask for '" + query.name + "'");
  query.octets.assign(reinterpret_cast<char*>(octets), size);
  LDNS_FREE(octets);
  return query;
}

bool answers(const DnsQuery& query, std::string_view message) {
  if (message.size() < kHeader || pair_at(message, 0) != query.id) return false;
  bool response = octet(message, 2) & 0x80, plain = (octet(message, 2) & 0x78) == 0;
  if (!response || !plain) return false;
  if (pair_at(message, 4) == 0) return rcode_of(message) != LDNS_RCODE_NOERROR && rcode_of(message) != LDNS_RCODE_NXDOMAIN;
  std::string_view asked = std::string_view(query.octets).substr(kHeader, query.name.size() + 2);
  std::string_view type_and_class = std::string_view(query.octets).substr(kHeader + asked.size(), 4);
  if (pair_at(message, 4) != 1 || message.size() < kHeader + asked.size() + 4) return false;
  return iequals(message.substr(kHeader, asked.size()), asked) && message.substr(kHeader + asked.size(), 4) == type_and_class;
}

bool is_truncated(std::string_view message) { return octet(message, 2) & 0x02; }

DnsReply read_reply(const DnsQuery& query, std::string_view message) {
  DnsReply reply;
  reply.answer.canonical = asked_text(query.name);
  reply.rcode = static_cast<uint8_t>(rcode_of(message));
  if (reply.rcode != LDNS_RCODE_NOERROR && reply.rcode != LDNS_RCODE_NXDOMAIN) {
    read_failure(query, reply);
    return reply;
  }
  ldns_pkt* raw = nullptr;
  auto code = ldns_wire2pkt(&raw, reinterpret_cast<const uint8_t*>(message.data()), message.size());
  Packet packet(code == LDNS_STATUS_OK ? raw : nullptr);
  if (packet) read_settled(query, packet.get(), reply);
  else malformed(reply.answer, ldns_get_errorstr_by_id(code));
  return reply;
}

}  // namespace veredus
