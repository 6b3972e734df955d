// Next hops and domain patterns.
#include "config/settings.h"

#include <algorithm>

#include "base/text.h"
#include "config/scalars.h"

namespace veredus {

namespace {

constexpr uint16_t kSmtpPort = 25;

NextHop hop_to(NextHop::Kind kind, std::string_view host) {
  NextHop out;
  out.kind = kind;
  out.host = host;
  return out;
}

// "host", "host:25", "[::1]:25"
std::optional<NextHop> parse_host_port(NextHop::Kind kind, std::string_view text, uint16_t default_port) {
  NextHop out = hop_to(kind, "");
  out.port = default_port;
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

bool is_plugin_name(std::string_view text) {
  if (text.empty() || text.size() > 64) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  });
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = ascii_lower(c);
  return c >= 'a' && c <= 'f' ? std::optional<unsigned>(c - 'a' + 10) : std::nullopt;
}

std::optional<std::string> decoded_argument(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c <= ' ' || c == 0x7F) return std::nullopt;
    if (c == '%') {
      if (text.size() < i + 3) return std::nullopt;
      auto high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (!high || !low) return std::nullopt;
      c = static_cast<char>(*high << 4 | *low);
      i += 2;
    }
    if (is_control(c)) return std::nullopt;
    out += c;
  }
  return out.size() <= NextHop::kLongestArgument ? std::optional(out) : std::nullopt;
}

std::string encoded_argument(const std::string& argument) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (char c : argument) {
    auto octet = static_cast<unsigned char>(c);
    bool plain = octet > ' ' && octet < 0x7F && std::string_view(",|*%").find(c) == std::string_view::npos;
    if (plain)
      out += c;
    else
      out += {'%', kDigits[octet >> 4], kDigits[octet & 15]};
  }
  return out;
}

std::optional<NextHop> parse_plugin(std::string_view text) {
  size_t slash = text.find('/');
  NextHop out = hop_to(NextHop::Kind::plugin, text.substr(0, slash));
  if (!is_plugin_name(out.host)) return std::nullopt;
  if (slash == std::string_view::npos) return out;
  auto argument = decoded_argument(text.substr(slash + 1));
  if (!argument) return std::nullopt;
  out.argument = std::move(*argument);
  return out;
}

std::optional<NextHop> parse_router(std::string_view text) {
  return is_plugin_name(text) ? std::optional(hop_to(NextHop::Kind::router, text)) : std::nullopt;
}

std::optional<NextHop> parse_lmtp(std::string_view text) {
  if (!text.starts_with('/')) return parse_host_port(NextHop::Kind::lmtp, text, 0);
  constexpr size_t kLongestSocketPath = 107;
  if (text.size() < 2 || text.size() > kLongestSocketPath) return std::nullopt;
  return hop_to(NextHop::Kind::lmtp_unix, text);
}

std::optional<NextHop> parse_mx(std::string_view text) {
  std::string domain = lowered(text);
  return is_domain(domain) ? std::optional(hop_to(NextHop::Kind::mx, domain)) : std::nullopt;
}

std::optional<NextHop> parse_unweighted(std::string_view text) {
  if (text == "mx") return NextHop{};
  if (text.starts_with("mx:")) return parse_mx(text.substr(3));
  if (text.starts_with("smtp://")) return parse_host_port(NextHop::Kind::smtp, text.substr(7), kSmtpPort);
  if (text.starts_with("lmtp://")) return parse_lmtp(text.substr(7));
  if (text.starts_with("plugin:")) return parse_plugin(text.substr(7));
  if (text.starts_with("router:")) return parse_router(text.substr(7));
  return std::nullopt;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::optional<std::vector<NextHop>> parse_balanced(std::string_view text) {
  std::vector<NextHop> out;
  for (std::string_view part : split(text, '|')) {
    auto hop = NextHop::parse(part);
    if (!hop || part.find(' ') != std::string_view::npos) return std::nullopt;
    out.push_back(std::move(*hop));
  }
  if (out.size() == 1) out[0].weight = 1;  // of one, the whole
  return out;
}

std::string unweighted_text(const NextHop& hop) {
  const std::string& host = hop.host;
  bool is_v6 = host.find(':') != std::string::npos;
  std::string authority = (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(hop.port);
  switch (hop.kind) {
    case NextHop::Kind::mx:
      return host.empty() ? "mx" : "mx:" + host;
    case NextHop::Kind::smtp:
      return "smtp://" + authority;
    case NextHop::Kind::lmtp:
      return "lmtp://" + authority;
    case NextHop::Kind::lmtp_unix:
      return "lmtp://" + host;
    case NextHop::Kind::plugin:
      return "plugin:" + host + (hop.argument.empty() ? "" : "/" + encoded_argument(hop.argument));
    case NextHop::Kind::router:
      return "router:" + host;
  }
  return "mx";
}

}  // namespace

std::string NextHop::text() const {
  return unweighted_text(*this) + (weight == 1 ? "" : "*" + std::to_string(weight));
}

std::optional<NextHop> NextHop::parse(std::string_view text) {
  size_t star = text.rfind('*');
  bool weighted = star != std::string_view::npos && is_number(text.substr(star + 1));
  auto out = parse_unweighted(weighted ? text.substr(0, star) : text);
  if (!out || !weighted) return out;
  auto weight = parse_uint(text.substr(star + 1), kMostWeight);
  if (!weight || *weight == 0 || out->kind == Kind::router) return std::nullopt;
  out->weight = static_cast<uint16_t>(*weight);
  return out;
}

std::optional<NextHops> parse_next_hops(std::string_view text) {
  if (text.size() > kLongestNextHops) return std::nullopt;
  NextHops out;
  size_t count = 0;
  bool routed = false;
  for (std::string_view part : split(text, ',')) {
    auto balanced = parse_balanced(part);
    if (!balanced) return std::nullopt;
    for (const NextHop& hop : *balanced) routed = routed || hop.kind == NextHop::Kind::router;
    count += balanced->size();
    out.push_back(std::move(*balanced));
  }
  return count > kMostNextHops || (routed && count > 1) ? std::nullopt : std::optional(out);
}

std::string next_hops_text(const NextHops& to) {
  std::string out;
  for (const auto& balanced : to) {
    if (!out.empty()) out += ',';
    for (size_t i = 0; i < balanced.size(); ++i) out += (i > 0 ? "|" : "") + balanced[i].text();
  }
  return out;
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

bool is_local_domain(const Settings& settings, std::string_view domain) {
  return settings.local_delivery && matches_any_domain(settings.local_domains, domain);
}

namespace {
constexpr std::string_view kTlsLevels[] = {"none", "opportunistic", "encrypt", "verify", "dane", "dane-only", "mta-sts"};
}

std::optional<TlsLevel> parse_tls_level(std::string_view text) {
  for (size_t i = 0; i < std::size(kTlsLevels); ++i)
    if (kTlsLevels[i] == text) return static_cast<TlsLevel>(i);
  return std::nullopt;
}

std::string_view tls_level_text(TlsLevel level) { return kTlsLevels[static_cast<size_t>(level)]; }

}  // namespace veredus
