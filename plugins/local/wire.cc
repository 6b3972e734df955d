// Encoding and decoding of fields.
#include "wire.h"

#include <charconv>

namespace local {

namespace {

constexpr size_t kLongestName = 32;

bool read_number(std::string_view text, size_t& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() && text.size() < 10;
}

}  // namespace

std::string_view Fields::get(std::string_view name) const {
  for (const auto& [key, value] : rows_)
    if (key == name) return value;
  return {};
}

std::vector<std::string> Fields::all(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& [key, value] : rows_)
    if (key == name) out.push_back(value);
  return out;
}

std::string Fields::text() const {
  std::string out;
  for (const auto& [key, value] : rows_) out += key + "=" + std::to_string(value.size()) + ":" + value + ",";
  return out;
}

std::optional<Fields> Fields::parse(std::string_view text) {
  Fields out;
  while (!text.empty()) {
    size_t equals = text.find('='), colon = text.find(':'), size = 0;
    if (equals == text.npos || equals == 0 || equals > kLongestName || colon == text.npos || colon < equals) return std::nullopt;
    if (!read_number(text.substr(equals + 1, colon - equals - 1), size) || out.rows_.size() == kMost) return std::nullopt;
    std::string_view rest = text.substr(colon + 1);
    if (size >= rest.size() || rest[size] != ',') return std::nullopt;
    out.add(text.substr(0, equals), rest.substr(0, size));
    text = rest.substr(size + 1);
  }
  return out;
}

void Report::put(Fields& out) const {
  out.add("smtp", std::to_string(smtp));
  out.add("status", std::to_string(enhanced[0]) + "." + std::to_string(enhanced[1]) + "." + std::to_string(enhanced[2]));
  out.add("text", text);
}

Report Report::take(const Fields& from) {
  Report out = of(451, 3, 0, "the helper gave an answer that makes no sense");
  size_t code = 0, parts[3] = {0, 0, 0};
  std::string_view status = from.get("status");
  if (!read_number(from.get("smtp"), code) || code < 200 || code > 599 || code / 100 == 3) return out;
  for (size_t& part : parts) {
    size_t dot = status.find('.');
    if (!read_number(status.substr(0, dot), part) || part > 255) return out;
    status.remove_prefix(dot == status.npos ? status.size() : dot + 1);
  }
  if (parts[0] != code / 100) return out;
  out.smtp = static_cast<uint16_t>(code);
  for (int i = 0; i < 3; ++i) out.enhanced[i] = static_cast<uint8_t>(parts[i]);
  out.text = one_line(from.get("text"), 400);
  return out;
}

std::string one_line(std::string_view text, size_t most) {
  std::string out;
  for (char c : text) {
    if (out.size() == most) break;
    bool printable = static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f;
    if (printable) out += c;
    else if (!out.empty() && out.back() != ' ') out += ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace local
