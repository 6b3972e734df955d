// Small translations.
#include "migrate/words.h"

#include <cstdio>

#include "base/address_ip.h"
#include "base/text.h"
#include "config/settings.h"

namespace veredus::migrate {

namespace {

constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

struct NamedPort {
  std::string_view name;
  unsigned port;
};
constexpr NamedPort kPorts[] = {{"smtp", 25}, {"submission", 587}, {"smtps", 465}, {"submissions", 465}, {"ssmtp", 465}, {"lmtp", 24}};

std::string with_port(std::string_view host, std::optional<unsigned> port) {
  std::string out = host.find(':') == std::string_view::npos ? std::string(host) : "[" + std::string(host) + "]";
  return port ? out + ":" + std::to_string(*port) : out;
}

struct HostPort {
  std::string host, port;
  bool bracketed = false;
};

HostPort parted(std::string_view text) {
  HostPort out;
  out.bracketed = text.starts_with("[");
  size_t end = out.bracketed ? text.find(']') : text.find(':');
  if (out.bracketed && end == std::string_view::npos) return out;
  out.host = lowered(text.substr(out.bracketed ? 1 : 0, end == std::string_view::npos ? end : end - (out.bracketed ? 1 : 0)));
  if (out.host.starts_with("ipv6:")) out.host.erase(0, 5);
  std::string_view rest = end == std::string_view::npos ? std::string_view() : text.substr(out.bracketed ? end + 1 : end);
  if (rest.starts_with(":")) out.port = rest.substr(1);
  else if (!rest.empty()) out.host.clear();
  return out;
}

// Only what the settings of ours can be.
Hop checked(Hop hop) {
  if (!NextHop::parse(hop.to)) hop.to.clear();
  return hop;
}

}  // namespace

std::string yaml_text(std::string_view text) {
  bool plain = !text.empty() && text.size() < 200 && kPlain.find(text.front()) != std::string_view::npos;
  for (char c : text) plain = plain && (kPlain.find(c) != std::string_view::npos || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_');
  for (std::string_view word : {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}) plain = plain && !iequals(text, word);
  if (plain) return std::string(text);
  std::string out = "\"";
  for (char c : text) {
    char code[8];
    if (c == '"' || c == '\\') out += '\\', out += c;
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned char>(c)), out += code;
    else out += c;
  }
  return out + "\"";
}

std::string yaml_list(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out += (out.size() > 1 ? ", " : "") + yaml_text(text);
  return out + "]";
}

std::optional<unsigned> read_port(std::string_view text) {
  if (auto number = parse_uint(text, 65'535); number && *number > 0) return static_cast<unsigned>(*number);
  for (const NamedPort& one : kPorts)
    if (one.name == text) return one.port;
  return std::nullopt;
}

Hop read_hop(std::string_view text, bool lmtp, std::string_view queue_directory) {
  text = trimmed(text);
  if (lmtp && text.starts_with("unix:")) {
    std::string path(text.substr(5));
    if (!path.starts_with("/")) path = std::string(queue_directory) + "/" + path;
    return checked({"lmtp://" + path, path, false});
  }
  if (lmtp && text.starts_with("inet:")) text.remove_prefix(5);
  HostPort parts = parted(text);
  if (parts.host.empty()) return {};
  auto port = parts.port.empty() ? std::nullopt : read_port(parts.port);
  if (!parts.port.empty() && !port) return {};
  if (lmtp) return checked({"lmtp://" + with_port(parts.host, port.value_or(24)), parts.host, false});
  bool mx = !parts.bracketed && !IpAddress::parse(parts.host);
  if (mx && !port) return checked({"mx:" + parts.host, parts.host, false});
  return checked({"smtp://" + with_port(parts.host, port), parts.host, mx});
}

std::optional<std::string> read_duration(std::string_view text, char unit) {
  constexpr std::string_view kUnits = "smhdw";
  text = trimmed(text);
  if (text.empty()) return std::nullopt;
  char last = text.back();
  bool has_unit = kUnits.find(last) != std::string_view::npos;
  auto number = parse_uint(has_unit ? text.substr(0, text.size() - 1) : text, 1'000'000'000);
  if (!number) return std::nullopt;
  if (has_unit) unit = last;
  if (unit == 'w') return std::to_string(*number * 7) + "d";
  return std::to_string(*number) + unit;
}

std::optional<unsigned long long> seconds_of(std::string_view duration) {
  if (duration.empty()) return std::nullopt;
  auto number = parse_uint(duration.substr(0, duration.size() - 1), 1'000'000'000);
  if (!number) return std::nullopt;
  switch (duration.back()) {
    case 's': return *number;
    case 'm': return *number * 60;
    case 'h': return *number * 3600;
    default: return *number * 86'400;
  }
}

std::string read_network(std::string_view text, std::string& why) {
  constexpr unsigned kWidest4 = 8, kWidest6 = 16;
  std::string plain;
  for (char c : text)
    if (c != '[' && c != ']') plain += c;
  if (istarts_with(plain, "::ffff:")) return "";  // IPv4 in IPv6: the network itself stands beside it
  auto network = Network::parse(plain);
  if (!network) return why = "is no network", "";
  unsigned prefix = static_cast<unsigned>(network->prefix);
  if (prefix < (plain.find(':') == std::string::npos ? kWidest4 : kWidest6)) return why = "holds most of the Internet", "";
  return plain;
}

}  // namespace veredus::migrate
