// Renders DNS answers.
#include "net/dns_text.h"

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace veredus {

namespace {

struct TypeName {
  DnsType type;
  std::string_view name;
};
constexpr TypeName kTypes[] = {{DnsType::a, "A"},     {DnsType::ns, "NS"}, {DnsType::cname, "CNAME"}, {DnsType::soa, "SOA"},  {DnsType::ptr, "PTR"},
                               {DnsType::mx, "MX"},   {DnsType::txt, "TXT"}, {DnsType::aaaa, "AAAA"}, {DnsType::tlsa, "TLSA"}};
constexpr std::string_view kStatuses[] = {"ok", "no_data", "no_name", "timeout", "server_failure", "refused", "malformed"};

std::string hex(std::string_view octets) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (char c : octets) out += {kDigits[static_cast<unsigned char>(c) >> 4], kDigits[c & 15]};
  return out;
}

std::string dotted(const std::string& name) { return name + "."; }

std::string tlsa_text(const std::string& octets) {
  std::string out;
  if (octets.size() < 3) return "\\# " + std::to_string(octets.size()) + " " + hex(octets);  // RFC 3597
  for (size_t i = 0; i < 3; ++i) out += std::to_string(static_cast<unsigned char>(octets[i])) + " ";
  return out + hex(std::string_view(octets).substr(3));
}

std::string data_text(const DnsRecord& record) {
  switch (record.type) {
    case DnsType::a:
    case DnsType::aaaa: return record.address.text();
    case DnsType::mx: return std::to_string(record.preference) + " " + dotted(record.text);
    case DnsType::txt: return "\"" + printable(record.text, 4000) + "\"";
    case DnsType::tlsa: return tlsa_text(record.octets);
    default: return dotted(record.text);
  }
}

nlohmann::json data_json(const DnsRecord& record) {
  nlohmann::json out{{"ttl", record.ttl}};
  switch (record.type) {
    case DnsType::a:
    case DnsType::aaaa: out["address"] = record.address.text(); break;
    case DnsType::mx: out["preference"] = record.preference; out["target"] = record.text; break;
    case DnsType::txt: out["text"] = record.text; break;
    case DnsType::tlsa: out["data"] = tlsa_text(record.octets); break;
    default: out["target"] = record.text;
  }
  return out;
}

}  // namespace

std::optional<DnsType> dns_type_of(std::string_view name) {
  for (const TypeName& one : kTypes)
    if (iequals(one.name, name)) return one.type;
  return std::nullopt;
}

std::string_view text_of(DnsType type) {
  for (const TypeName& one : kTypes)
    if (one.type == type) return one.name;
  return "?";
}

std::string_view text_of(DnsStatus status) { return kStatuses[static_cast<size_t>(status)]; }

std::string describe(const std::string& name, DnsType type, const DnsAnswer& answer) {
  std::string out;
  if (!answer.canonical.empty() && answer.canonical != lowered(name)) out += name + " is an alias of " + answer.canonical + "\n";
  for (const DnsRecord& record : answer.records)
    out += dotted(record.name) + " " + std::to_string(record.ttl) + " " + std::string(text_of(record.type)) + " " + data_text(record) + "\n";
  out += std::string(text_of(type)) + " of " + name + ": " + std::string(text_of(answer.status));
  if (answer.authentic) out += ", authentic";
  if (answer.bogus) out += ", bogus";
  if (!answer.server.empty()) out += ", from " + answer.server;
  if (answer.ttl) out += ", kept " + std::to_string(answer.ttl) + " s";
  if (!answer.problem.empty()) out += ": " + answer.problem;
  return out + "\n";
}

std::string describe_json(const std::string& name, DnsType type, const DnsAnswer& answer) {
  nlohmann::json out{{"name", name},
                     {"type", text_of(type)},
                     {"status", text_of(answer.status)},
                     {"temporary", answer.temporary()},
                     {"authentic", answer.authentic},
                     {"bogus", answer.bogus},
                     {"canonical", answer.canonical},
                     {"ttl", answer.ttl},
                     {"server", answer.server},
                     {"records", nlohmann::json::array()}};
  if (!answer.problem.empty()) out["problem"] = answer.problem;
  for (const DnsRecord& record : answer.records) out["records"].push_back(data_json(record));
  return out.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

}  // namespace veredus
