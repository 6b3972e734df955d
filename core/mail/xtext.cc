// xtext: "+" and two upper-case hexadecimal digits for everything outside "!" to "~", and for "+" and "=".
// The utf-8 address type has
// "\x{...}" with a code point in hexadecimal digits instead.
#include "mail/xtext.h"

#include <algorithm>
#include <cstdint>

#include "base/text.h"
#include "mail/address_grammar.h"

namespace veredus {

namespace {

constexpr char kHex[] = "0123456789ABCDEF";
constexpr size_t kMaxEnvid = 100;
constexpr size_t kMaxOrcpt = 500;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

bool is_printable(std::string_view text) {
  return is_ascii(text) && std::none_of(text.begin(), text.end(), is_control);
}

// Takes "+XX" from the front; -1 when it is none.
int take_hex_pair(std::string_view& text) {
  int high = text.size() >= 3 ? hex_value(text[1]) : -1;
  int low = high >= 0 ? hex_value(text[2]) : -1;
  if (low < 0) return -1;
  text.remove_prefix(3);
  return high << 4 | low;
}

void append_utf8(std::string& out, uint32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
    return;
  }
  int tails = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  out += static_cast<char>((0xFFu << (7 - tails) & 0xFFu) | point >> (6 * tails));
  while (tails-- > 0) out += static_cast<char>(0x80 | (point >> (6 * tails) & 0x3F));
}

// Takes "\x{...}" from the front; false when it is none.
bool take_code_point(std::string_view& text, std::string& out) {
  size_t close = text.find('}');
  if (!text.starts_with("\\x{") || close == std::string_view::npos || close < 5 || close > 9) return false;
  uint32_t point = 0;
  for (char c : text.substr(3, close - 3)) {
    int digit = hex_value(c);
    if (digit < 0) return false;
    point = point << 4 | static_cast<uint32_t>(digit);
  }
  if (point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
  append_utf8(out, point);
  text.remove_prefix(close + 1);
  return true;
}

uint32_t code_point_at(std::string_view text, size_t& at) {
  auto first = static_cast<unsigned char>(text[at++]);
  if (first < 0x80) return first;
  uint32_t point = first & (first < 0xE0 ? 0x1Fu : first < 0xF0 ? 0x0Fu : 0x07u);
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80)
    point = point << 6 | (static_cast<unsigned char>(text[at++]) & 0x3Fu);
  return point;
}

void append_escaped(std::string& out, uint32_t point) {
  std::string digits;
  for (; point > 0 || digits.size() < 2; point >>= 4) digits += kHex[point & 15];
  std::reverse(digits.begin(), digits.end());
  out += "\\x{" + digits + "}";
}

std::string escaped(std::string_view address, bool keep_utf8) {
  std::string out;
  for (size_t at = 0; at < address.size();) {
    size_t begin = at;
    uint32_t point = code_point_at(address, at);
    bool plain = point > 0x20 && point < 0x7F && point != '+' && point != '=' && point != '\\';
    if (plain || (keep_utf8 && point >= 0x80))
      out += address.substr(begin, at - begin);
    else
      append_escaped(out, point);
  }
  return out;
}

// The address of the type utf-8: "\x{...}", by many senders "+XX" as well, and raw UTF-8.
Result<std::string> decode_utf8_address(std::string_view text, bool allow_utf8) {
  std::string out;
  while (!text.empty()) {
    char c = text.front();
    if (c == '\\') {
      if (!take_code_point(text, out)) return fail(Errc::invalid, "bad escape in a utf-8 address");
    } else if (c == '+') {
      int octet = take_hex_pair(text);
      if (octet < 0) return fail(Errc::invalid, "bad escape in a utf-8 address");
      out += static_cast<char>(octet);
    } else {
      bool high = static_cast<unsigned char>(c) >= 0x80;
      if (c == '=' || c == ' ' || is_control(c) || (high && !allow_utf8))
        return fail(Errc::invalid, "bad octet in a utf-8 address");
      out += c;
      text.remove_prefix(1);
    }
  }
  bool clean = grammar::is_clean_utf8(out) && std::none_of(out.begin(), out.end(), is_control);
  if (!clean) return fail(Errc::invalid, "a utf-8 address with control characters or broken UTF-8");
  return out;
}

bool is_address_type(std::string_view type) {
  return !type.empty() && type.size() <= 40 && is_printable(type) &&
         std::all_of(type.begin(), type.end(), grammar::is_atext);
}

}  // namespace

std::string encode_xtext(std::string_view octets) {
  std::string out;
  for (char c : octets) {
    auto u = static_cast<unsigned char>(c);
    if (u >= '!' && u <= '~' && c != '+' && c != '=') {
      out += c;
    } else {
      out += '+';
      out += kHex[u >> 4];
      out += kHex[u & 15];
    }
  }
  return out;
}

Result<std::string> decode_xtext(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    char c = text.front();
    if (c < '!' || c > '~' || c == '=') return fail(Errc::invalid, "not xtext");
    if (c == '+') {
      int octet = take_hex_pair(text);
      if (octet < 0) return fail(Errc::invalid, "bad escape in xtext");
      c = static_cast<char>(octet);
      if (is_control(c)) return fail(Errc::invalid, "control character in xtext");
    } else {
      text.remove_prefix(1);
    }
    out += c;
  }
  return out;
}

Result<std::string> decode_envid(std::string_view text) {
  if (text.empty() || text.size() > kMaxEnvid)
    return fail(Errc::invalid, "ENVID is empty or longer than 100 characters");
  auto out = decode_xtext(text);
  if (out && !is_printable(*out)) return fail(Errc::invalid, "ENVID is not printable ASCII");
  return out;
}

Result<std::string> decode_orcpt(std::string_view text, bool allow_utf8) {
  size_t semicolon = text.find(';');
  if (text.size() > kMaxOrcpt || semicolon == std::string_view::npos || semicolon + 1 == text.size())
    return fail(Errc::invalid, "ORCPT is not type;address of at most 500 characters");
  std::string_view type = text.substr(0, semicolon);
  std::string_view rest = text.substr(semicolon + 1);
  if (!is_address_type(type)) return fail(Errc::invalid, "ORCPT has a malformed address type");
  bool utf8 = iequals(type, "utf-8");
  auto address = utf8 ? decode_utf8_address(rest, allow_utf8) : decode_xtext(rest);
  if (!address) return address.error();
  if (!utf8 && !is_printable(*address)) return fail(Errc::invalid, "ORCPT is not printable ASCII");
  return std::string(type) + ";" + *address;
}

std::string encode_orcpt(std::string_view orcpt, bool utf8) {
  size_t semicolon = orcpt.find(';');
  if (semicolon == std::string_view::npos) return {};
  std::string_view type = orcpt.substr(0, semicolon);
  std::string_view address = orcpt.substr(semicolon + 1);
  return std::string(type) + ";" + (iequals(type, "utf-8") ? escaped(address, utf8) : encode_xtext(address));
}

std::string utf8_address_ascii(std::string_view address) {
  return escaped(address, false);
}

}  // namespace veredus
