// Words of the settings in the form that libunbound wants. Without the SDK. Values; any thread.
#ifndef VEREDUS_RESOLVER_UNBOUND_SETTINGS_HPP
#define VEREDUS_RESOLVER_UNBOUND_SETTINGS_HPP

#include <arpa/inet.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine.hpp"

namespace resolver_unbound {

inline std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find_first_of(" ,", at), text.size());
    if (end > at) out.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

inline bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 && text.find_first_not_of("0123456789") == text.npos && std::stoul(std::string(text)) - 1 < 65535;
}

inline bool is_ip(const std::string& text) {
  unsigned char octets[16];
  return inet_pton(AF_INET, text.c_str(), octets) == 1 || inet_pton(AF_INET6, text.c_str(), octets) == 1;
}

/** "192.0.2.1", "192.0.2.1:53", "2001:db8::1", "[2001:db8::1]:53" as "ADDRESS@PORT"; nothing for anything else. */
inline std::optional<std::string> unbound_address(std::string_view text) {
  std::string address(text), port = "53";
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == text.npos) return std::nullopt;
    address = text.substr(1, end - 1);
    const std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && rest[0] != ':') return std::nullopt;
    if (!rest.empty()) port = rest.substr(1);
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    address = text.substr(0, text.find(':'));
    port = text.substr(text.find(':') + 1);
  }
  if (!is_ip(address) || !is_port(port)) return std::nullopt;
  return address + "@" + port;
}

inline bool is_zone(std::string_view text) {
  if (text == ".") return true;
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > 253 || text.front() == '.') return false;
  const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 0x20 && c < 0x7F && c != '"' && c != '\\'; });
  return plain && text.find("..") == text.npos;
}

/** "do-ip6: no" as the two words of ub_ctx_set_option. */
inline std::optional<std::pair<std::string, std::string>> option_of(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == 0 || colon == text.npos) return std::nullopt;
  const size_t value = text.find_first_not_of(' ', colon + 1);
  if (value == text.npos) return std::nullopt;
  return std::pair(std::string(text.substr(0, colon + 1)), std::string(text.substr(value)));
}

/** libunbound asks nobody on loopback unless told to. */
inline bool asks_loopback(const EngineOptions& options) {
  const auto loopback = [](const std::string& address) { return address.starts_with("127.") || address.starts_with("::1@"); };
  const auto any = [&](const std::vector<std::string>& list) { return std::any_of(list.begin(), list.end(), loopback); };
  return any(options.forward) || std::any_of(options.stubs.begin(), options.stubs.end(), [&](const auto& stub) { return any(stub.second); });
}

}  // namespace resolver_unbound
#endif
