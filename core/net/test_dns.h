// For tests: composing DNS messages octet by octet, right ones and wrong ones, without the library that reads them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/dns_message.h"
#include "net/dns_name.h"

namespace veredus::test {

inline std::string u16(unsigned v) { return {static_cast<char>(v >> 8), static_cast<char>(v & 255)}; }
inline std::string u32(uint32_t v) { return u16(v >> 16) + u16(v & 0xFFFF); }

inline std::string record(const std::string& owner, DnsType type, uint32_t ttl, const std::string& data) {
  return wire_name(owner) + u16(static_cast<unsigned>(type)) + u16(1) + u32(ttl) + u16(static_cast<unsigned>(data.size())) + data;
}
inline std::string a_record(const std::string& owner, const std::string& ip, uint32_t ttl = 300) {
  return record(owner, DnsType::a, ttl, std::string(reinterpret_cast<const char*>(IpAddress::parse(ip)->octets.data()), 4));
}
inline std::string mx_record(const std::string& owner, unsigned preference, const std::string& target, uint32_t ttl = 300) {
  return record(owner, DnsType::mx, ttl, u16(preference) + (target.empty() ? std::string(1, '\0') : wire_name(target)));
}
inline std::string cname_record(const std::string& owner, const std::string& target, uint32_t ttl = 300) {
  return record(owner, DnsType::cname, ttl, wire_name(target));
}
inline std::string txt_record(const std::string& owner, std::string text, uint32_t ttl = 300) {
  std::string data;
  for (; !text.empty(); text.erase(0, 255)) {
    size_t size = text.size() < 255 ? text.size() : 255;
    data += static_cast<char>(size) + text.substr(0, size);
  }
  return record(owner, DnsType::txt, ttl, data);
}
inline std::string soa_record(const std::string& owner, uint32_t minimum, uint32_t ttl) {
  return record(owner, DnsType::soa, ttl, wire_name("ns.test") + wire_name("root.test") + u32(1) + u32(2) + u32(3) + u32(4) + u32(minimum));
}

// The question as it came: name, type and class.
inline std::string_view question_of(std::string_view query) {
  size_t end = query.find('\0', 12);
  return query.substr(12, end + 5 - 12);
}

struct Response {
  std::string answers, authority;
  unsigned answer_count = 0, authority_count = 0;
  unsigned rcode = 0;
  bool truncated = false, authentic = false;

  Response& add(const std::string& one) { return answers += one, ++answer_count, *this; }
  Response& add_authority(const std::string& one) { return authority += one, ++authority_count, *this; }
  Response& code(unsigned c) { return rcode = c, *this; }
  Response& cut() { return truncated = true, *this; }
  Response& ad() { return authentic = true, *this; }

  std::string to(std::string_view query) const {
    unsigned flags = 0x8180u | rcode | (truncated ? 0x0200u : 0u) | (authentic ? 0x20u : 0u);
    return std::string(query.substr(0, 2)) + u16(flags) + u16(1) + u16(answer_count) + u16(authority_count) + u16(0) +
           std::string(question_of(query)) + answers + authority;
  }
};

}  // namespace veredus::test
