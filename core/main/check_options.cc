// Reads the words of a command line.
#include "main/check_options.h"

#include "base/text.h"
#include "net/dns_name.h"

namespace veredus {

namespace {

constexpr uint64_t kLongestSeconds = 19;  // a check ends within 20 s
constexpr uint16_t kSubmissions = 465;

Status set_dns(CheckOptions& out, const std::string& value) {
  out.dns = Endpoint::parse(value, 53);
  if (!out.dns) return fail(Errc::invalid, "--dns wants an address and port, such as 127.0.0.1:53");
  return {};
}
Status set_port(CheckOptions& out, const std::string& value) {
  auto port = parse_uint(value, 65535);
  if (!port || *port == 0) return fail(Errc::invalid, "--port wants a number from 1 to 65535");
  out.port = static_cast<uint16_t>(*port);
  return {};
}
Status set_timeout(CheckOptions& out, const std::string& value) {
  auto seconds = parse_uint(value.ends_with('s') ? value.substr(0, value.size() - 1) : value, kLongestSeconds);
  if (!seconds || *seconds == 0) return fail(Errc::invalid, "--timeout wants seconds, 1 to " + std::to_string(kLongestSeconds));
  out.timeout = Seconds(*seconds);
  return {};
}
Status set_name(CheckOptions& out, const std::string& value) {
  auto name = to_ascii_domain(value);
  if (!name) return name.error();
  out.name = *name;
  return {};
}
Status set_ca(CheckOptions& out, const std::string& value) {
  out.ca = value;
  return {};
}

struct Option {
  std::string_view name;
  Status (*set)(CheckOptions& out, const std::string& value);
};
constexpr Option kOptions[] = {{"--dns", set_dns}, {"--port", set_port}, {"--timeout", set_timeout}, {"--name", set_name}, {"--ca", set_ca}};

const Option* find_option(std::string_view name) {
  for (const Option& one : kOptions)
    if (one.name == name) return &one;
  return nullptr;
}

// "HOST", "HOST:PORT", an address, "[ADDRESS]:PORT".
Status set_target(CheckOptions& out, const std::string& text) {
  std::string host = text;
  out.address = IpAddress::parse(text);
  if (auto endpoint = Endpoint::parse(text, out.port); !out.address && endpoint) {
    out.address = endpoint->ip;
    out.port = endpoint->port;
  }
  if (out.address) {
    out.target = out.address->text();
    return {};
  }
  if (size_t colon = text.rfind(':'); colon != text.npos) {
    host = text.substr(0, colon);
    if (Status port = set_port(out, text.substr(colon + 1)); !port) return fail(Errc::invalid, "'" + printable(text, 100) + "' is not HOST:PORT");
  }
  auto name = to_ascii_domain(host);
  if (!name) return name.error();
  out.target = *name;
  return {};
}

// Takes one option with its value off the words.
Status take_option(CheckOptions& out, const std::vector<std::string>& words, size_t& at) {
  size_t equals = words[at].find('=');
  std::string name = words[at].substr(0, equals);
  const Option* option = find_option(name);
  if (!option) return fail(Errc::invalid, "unknown option '" + printable(name, 60) + "'");
  if (equals == name.npos && at + 1 == words.size()) return fail(Errc::invalid, name + " wants a value");
  std::string value = equals == name.npos ? words[++at] : words[at].substr(equals + 1);
  return option->set(out, value);
}

}  // namespace

Result<CheckOptions> read_check_options(std::vector<std::string> words, const std::string& what) {
  CheckOptions out;
  std::string target;
  if (std::erase(words, "--implicit") > 0) {
    out.implicit = true;
    out.port = kSubmissions;
  }
  for (size_t at = 0; at < words.size(); ++at) {
    Status status;
    if (words[at].starts_with("--")) status = take_option(out, words, at);
    else if (!target.empty()) status = fail(Errc::invalid, "more than one " + what + " given");
    else target = words[at];
    if (!status) return status.error();
  }
  if (target.empty()) return fail(Errc::invalid, what + " is missing");
  if (Status status = set_target(out, target); !status) return status.error();
  return out;
}

}  // namespace veredus
