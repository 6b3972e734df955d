// Escaping and reading.
#include "answers.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/text.hpp"

namespace table_http {

namespace {

using Json = nlohmann::json;

bool has(const std::vector<uint32_t>& codes, uint32_t code) { return std::find(codes.begin(), codes.end(), code) != codes.end(); }

bool is_scalar(const Json& value) { return value.is_string() || value.is_number() || value.is_boolean(); }

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

Outcome failed(std::string problem) { return {std::nullopt, std::move(problem)}; }

Outcome read_value(const Json& value) {
  if (value.is_null()) return {};
  if (is_scalar(value)) return {text_of(value), {}};
  if (!value.is_array()) return failed("the value is an object");
  std::string out;
  for (const Json& one : value) {
    if (!is_scalar(one)) return failed("the value is a list of something else than texts");
    if (&one != &value.front()) out += ',';
    out += text_of(one);
  }
  return {std::move(out), {}};
}

}  // namespace

std::string url_encoded(std::string_view text) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    if (kPlain.find(c) != kPlain.npos) {
      out += c;
      continue;
    }
    auto octet = static_cast<unsigned char>(c);
    out += {'%', kHex[octet >> 4], kHex[octet & 15]};
  }
  return out;
}

std::string json_escaped(std::string_view text) {
  std::string quoted = Json(std::string(text)).dump(-1, ' ', false, Json::error_handler_t::replace);
  return quoted.substr(1, quoted.size() - 2);
}

std::string filled(std::string_view form, std::string_view key, std::string (*escape)(std::string_view)) {
  constexpr std::string_view kHole = "{key}";
  std::string out;
  for (size_t at = form.find(kHole); at != form.npos; at = form.find(kHole)) {
    out += form.substr(0, at);
    out += escape(key);
    form.remove_prefix(at + kHole.size());
  }
  return out.append(form);
}

Outcome read_response(const Reading& reading, uint32_t code, std::string_view body) {
  if (has(reading.absent, code)) return {};
  if (!has(reading.found, code)) return failed("status " + std::to_string(code));
  if (reading.pointer.empty()) return {std::string(common::trimmed(body)), {}};
  Json document = Json::parse(body, nullptr, false);
  if (document.is_discarded()) return failed("the response is not JSON");
  Json::json_pointer pointer(reading.pointer);
  return document.contains(pointer) ? read_value(document.at(pointer)) : Outcome{};
}

}  // namespace table_http
