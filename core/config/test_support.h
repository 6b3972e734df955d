// Shared by the unit tests of config: configurations from text.
#pragma once

#include <string>
#include <vector>

#include "config/load.h"

namespace veredus::test {

inline LoadOptions options() {
  return LoadOptions(SystemNames{"host.example.test", "mail.example.test"});
}

inline ConfigResult parse(const std::string& text) {
  return parse_config({{"conf.d/00-core.yaml", text}}, options());
}

// The body stands under core:, so its first line is line 2.
inline ConfigResult core(const std::string& body) {
  std::string text = "core:\n";
  for (size_t at = 0; at < body.size();) {
    size_t end = body.find('\n', at);
    if (end == std::string::npos) end = body.size();
    text += "  " + body.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return parse(text);
}

inline std::string errors(const std::string& body) {
  return core(body).error_text();
}

inline std::string warnings(const std::string& body) {
  auto result = core(body);
  if (!result) return result.error_text();
  std::string out;
  for (const ConfigWarning& warning : result.value().warnings) out += warning.full() + "\n";
  return out;
}

// A listener, so that the warning about none stays away.
inline const std::string kListener = "listeners: [{ address: \"127.0.0.1:2525\" }]\n";

}  // namespace veredus::test
