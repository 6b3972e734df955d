// resolv.conf: the nameserver lines.
#include "net/resolv_conf.h"

#include <fstream>
#include <iterator>

#include "base/text.h"

namespace veredus {

namespace {

constexpr size_t kMaxServers = 3;
constexpr uint16_t kDnsPort = 53;

std::string_view first_word(std::string_view text) { return text.substr(0, text.find_first_of(" \t\r")); }

}  // namespace

std::vector<Endpoint> parse_resolv_conf(std::string_view text) {
  std::vector<Endpoint> out;
  for (std::string_view line : split(text, '\n')) {
    std::string_view key = first_word(line);
    if (key != "nameserver" || out.size() == kMaxServers) continue;
    auto ip = IpAddress::parse(first_word(trimmed(line.substr(key.size()))));
    if (ip) out.push_back(Endpoint{*ip, kDnsPort});
  }
  return out;
}

std::vector<Endpoint> system_resolvers(const std::string& path) {
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  auto servers = parse_resolv_conf(text);
  if (servers.empty()) servers.push_back(Endpoint{*IpAddress::parse("127.0.0.1"), kDnsPort});
  return servers;
}

}  // namespace veredus
