// Grammar of local parts and domains.
#include "mail/address_grammar.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/text.h"

namespace veredus::grammar {

namespace {

constexpr std::string_view kAtomMarks = "!#$%&'*+-/=?^_`{|}~";

constexpr std::array<bool, 256> make_atext() {
  std::array<bool, 256> out{};
  for (int c = '0'; c <= '9'; ++c) out[c] = true;
  for (int c = 'a'; c <= 'z'; ++c) out[c] = out[c - 32] = true;
  for (int c = 0x80; c < 256; ++c) out[c] = true;
  for (char c : kAtomMarks) out[static_cast<unsigned char>(c)] = true;
  return out;
}

constexpr auto kAtext = make_atext();

bool is_label_octet(char c) {
  auto u = static_cast<unsigned char>(c);
  return u >= 0x80 || c == '_' || (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > 63 || !is_label_octet(label.front()) || !is_label_octet(label.back()))
    return false;
  return std::all_of(label.begin(), label.end(), [](char c) { return is_label_octet(c) || c == '-'; });
}

struct Range {
  uint32_t first, last;
};
constexpr Range kUnclean[] = {{0x80, 0x9F},     {0x200B, 0x200F},  {0x2028, 0x202E}, {0x2060, 0x206F},
                              {0x3002, 0x3002}, {0xFEFF, 0xFEFF},  {0xFF0E, 0xFF0E}, {0xFF61, 0xFF61},
                              {0xFFF0, 0xFFFF}, {0xE0000, 0xE0FFF}};

// The next code point of well-formed text.
uint32_t take_code_point(std::string_view& text) {
  auto first = static_cast<unsigned char>(text.front());
  size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  uint32_t value = length == 1 ? first : first & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) value = value << 6 | (static_cast<unsigned char>(text[i]) & 0x3Fu);
  text.remove_prefix(length);
  return value;
}

template <typename Check>
bool all_parts(std::string_view text, Check check) {
  for (size_t dot; (dot = text.find('.')) != std::string_view::npos; text.remove_prefix(dot + 1))
    if (!check(text.substr(0, dot))) return false;
  return check(text);
}

}  // namespace

bool is_atext(char c) {
  return kAtext[static_cast<unsigned char>(c)];
}

bool is_dot_atom(std::string_view text) {
  return all_parts(text, [](std::string_view atom) {
    return !atom.empty() && std::all_of(atom.begin(), atom.end(), is_atext);
  });
}

bool is_quoted_string(std::string_view text) {
  if (text.size() < 3 || text.front() != '"') return false;
  for (size_t i = 1; i < text.size(); ++i) {
    char c = text[i];
    if (c == '"') return i + 1 == text.size();
    if (c == '\\') c = ++i < text.size() ? text[i] : '\0';
    auto u = static_cast<unsigned char>(c);
    if (u < 0x20 || u == 0x7F) return false;
  }
  return false;
}

bool is_domain(std::string_view text) {
  return all_parts(text, is_label);
}

bool is_clean_utf8(std::string_view text) {
  if (!is_utf8(text)) return false;
  while (!text.empty()) {
    uint32_t point = take_code_point(text);
    for (const Range& range : kUnclean)
      if (point >= range.first && point <= range.last) return false;
  }
  return true;
}

std::string quoted(std::string_view plain) {
  std::string out = "\"";
  for (char c : plain) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('"');
  return out;
}

}  // namespace veredus::grammar
