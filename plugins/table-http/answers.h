// From a key to a request, and from a response to a value. Values without I/O; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace table_http {

std::string url_encoded(std::string_view text);    // RFC 3986: everything but unreserved characters
std::string json_escaped(std::string_view text);   // inside a JSON string; octets that are not UTF-8 become U+FFFD
std::string filled(std::string_view form, std::string_view key, std::string (*escape)(std::string_view));  // {key} replaced

struct Reading {
  std::vector<uint32_t> found, absent;  // status codes
  std::string pointer;                  // RFC 6901; empty: the whole body, trimmed
};

struct Outcome {
  std::optional<std::string> value;  // none: the key is not there
  std::string problem;               // not empty: no answer at all
};
Outcome read_response(const Reading& reading, uint32_t code, std::string_view body);

}  // namespace table_http
