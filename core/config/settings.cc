// Next hops and domain patterns.
#include "config/settings.h"

#include <algorithm>

#include "base/text.h"
#include "config/scalars.h"

namespace veredus {

namespace {

constexpr uint16_t kSmtpPort = 25;

// "host", "host:25", "[::1]:25"
std::optional<NextHop> parse_host_port(NextHop::Kind kind, std::string_view text, uint16_t default_port) {
  NextHop out{kind, "", default_port};
  if (auto endpoint = Endpoint::parse(text, default_port)) {
    out.host = endpoint->ip.text();
    out.port = endpoint->port;
  } else {
    size_t colon = text.find(':');
    out.host = lowered(text.substr(0, colon));
    if (!is_domain(out.host)) return std::nullopt;
    if (colon != std::string_view::npos) {
      auto port = parse_uint(text.substr(colon + 1), 65535);
      if (!port) return std::nullopt;
      out.port = static_cast<uint16_t>(*port);
    }
  }
  return out.port == 0 ? std::nullopt : std::optional(out);
}

}  // namespace

std::string NextHop::text() const {
  bool is_v6 = host.find(':') != std::string::npos;
  std::string authority = (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
  switch (kind) {
    case Kind::mx:
      return host.empty() ? "mx" : "mx:" + host;
    case Kind::smtp:
      return "smtp://" + authority;
    case Kind::lmtp:
      return "lmtp://" + authority;
    case Kind::lmtp_unix:
      return "lmtp://" + host;
  }
  return "mx";
}

std::optional<NextHop> NextHop::parse(std::string_view text) {
  if (text == "mx") return NextHop{};
  if (text.starts_with("mx:")) {
    std::string domain = lowered(text.substr(3));
    return is_domain(domain) ? std::optional(NextHop{Kind::mx, domain, 0}) : std::nullopt;
  }
  if (text.starts_with("smtp://")) return parse_host_port(Kind::smtp, text.substr(7), kSmtpPort);
  if (!text.starts_with("lmtp://")) return std::nullopt;
  text.remove_prefix(7);
  if (!text.starts_with('/')) return parse_host_port(Kind::lmtp, text, 0);
  constexpr size_t kLongestSocketPath = 107;
  if (text.size() < 2 || text.size() > kLongestSocketPath) return std::nullopt;
  return NextHop{Kind::lmtp_unix, std::string(text), 0};
}

bool matches_domain(std::string_view pattern, std::string_view domain) {
  if (pattern == "*") return true;
  if (!pattern.starts_with('.')) return pattern == domain;
  return domain.size() > pattern.size() && domain.ends_with(pattern);
}

bool matches_any_domain(const std::vector<std::string>& patterns, std::string_view domain) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [domain](const std::string& pattern) { return matches_domain(pattern, domain); });
}

}  // namespace veredus
