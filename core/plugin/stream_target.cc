// Targets and their addresses.
#include "plugin/stream_target.h"

#include "base/text.h"
#include "net/dns_name.h"

namespace veredus {

namespace {

constexpr size_t kLongestPath = 107;  // of a Unix socket

void take_addresses(const DnsAnswer& answer, std::vector<IpAddress>& out) {
  for (const DnsRecord& record : answer.records) out.push_back(record.address);
}

}  // namespace

Result<StreamTarget> parse_stream_target(std::string_view text) {
  StreamTarget out;
  if (text.find('\0') != text.npos) return fail(Errc::invalid, "a target with a NUL");
  if (text.starts_with("unix:///")) {
    out.path = text.substr(7);
    if (out.path.size() > kLongestPath) return fail(Errc::invalid, "a path that is too long for a socket");
    return out;
  }
  out.secure = text.starts_with("tls://");
  if (!out.secure && !text.starts_with("tcp://")) return fail(Errc::invalid, "none of tcp://, tls:// and unix:///");
  text.remove_prefix(6);
  size_t colon = text.rfind(':');
  auto port = colon == text.npos ? std::nullopt : parse_uint(text.substr(colon + 1), UINT16_MAX);
  if (!port || *port == 0) return fail(Errc::invalid, "a target needs a port");
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  else if (host.find(':') != host.npos) return fail(Errc::invalid, "an IPv6 address stands in brackets");
  if (!IpAddress::parse(host) && !to_ascii_domain(host)) return fail(Errc::invalid, "neither an address nor a host's name");
  out.host = host;
  out.port = static_cast<uint16_t>(*port);
  return out;
}

Task<Result<std::vector<IpAddress>>> addresses_of(LoopServices& services, std::string host, Deadline deadline) {
  std::vector<IpAddress> out;
  if (auto ip = IpAddress::parse(host)) {
    out.push_back(*ip);
    co_return out;
  }
  if (!services.resolver) co_return fail(Errc::unsupported, "no resolver");
  bool late = false;
  for (DnsType type : {DnsType::aaaa, DnsType::a}) {
    auto answer = co_await services.resolver->query(host, type, deadline);
    late = late || answer->status == DnsStatus::timeout;
    take_addresses(*answer, out);
  }
  if (out.empty()) co_return fail(late ? Errc::timeout : Errc::not_found, "no address of " + host);
  co_return out;
}

}  // namespace veredus
