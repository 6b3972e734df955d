// JSON string escaping with a bound.
#include "log/json_text.h"

#include <cstdint>

namespace veredus {

namespace {

constexpr char kHex[] = "0123456789abcdef";

bool is_plain(unsigned char c) {
  return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

bool is_continuation(std::string_view text, size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
}

// Length of the well-formed UTF-8 sequence that starts at `at`; 0 if there is none.
size_t sequence_length(std::string_view text, size_t at) {
  auto first = static_cast<unsigned char>(text[at]);
  auto second = at + 1 < text.size() ? static_cast<unsigned char>(text[at + 1]) : 0;
  if (!is_continuation(text, at + 1)) return 0;
  if (first >= 0xC2 && first <= 0xDF) return 2;
  if (!is_continuation(text, at + 2)) return 0;
  if (first == 0xE0) return second >= 0xA0 ? 3 : 0;
  if (first == 0xED) return second <= 0x9F ? 3 : 0;
  if (first >= 0xE1 && first <= 0xEF) return 3;
  if (!is_continuation(text, at + 3)) return 0;
  if (first == 0xF0) return second >= 0x90 ? 4 : 0;
  if (first == 0xF4) return second <= 0x8F ? 4 : 0;
  return first >= 0xF1 && first <= 0xF3 ? 4 : 0;
}

// One escaped character in a small buffer.
struct Piece {
  char octets[8];
  size_t size = 0;
  void add(char c) { octets[size++] = c; }
};

Piece escape_ascii(unsigned char c) {
  Piece out;
  out.add('\\');
  switch (c) {
    case '"':
    case '\\':
      out.add(static_cast<char>(c));
      return out;
    case '\n':
      out.add('n');
      return out;
    case '\r':
      out.add('r');
      return out;
    case '\t':
      out.add('t');
      return out;
    default:
      break;
  }
  for (char x : {'u', '0', '0', kHex[c >> 4], kHex[c & 15]}) out.add(x);
  return out;
}

Piece escape_octet(unsigned char c) {
  Piece out;
  for (char x : {'\\', '\\', 'x', kHex[c >> 4], kHex[c & 15]}) out.add(x);
  return out;
}

// The character at `at` as it is written; `used` gets how many octets of the input it stands for.
Piece next_piece(std::string_view text, size_t at, size_t& used) {
  auto c = static_cast<unsigned char>(text[at]);
  used = 1;
  if (c < 0x80) return escape_ascii(c);
  size_t length = sequence_length(text, at);
  if (length == 0) return escape_octet(c);
  used = length;
  if (length == 2 && c == 0xC2 && static_cast<unsigned char>(text[at + 1]) < 0xA0)
    return escape_ascii(static_cast<unsigned char>(text[at + 1]));  // U+0080 to U+009F
  Piece out;
  for (size_t i = 0; i < length; ++i) out.add(text[at + i]);
  return out;
}

size_t plain_run(std::string_view text, size_t at) {
  size_t end = at;
  while (end < text.size() && is_plain(static_cast<unsigned char>(text[end]))) ++end;
  return end - at;
}

}  // namespace

bool append_json_string(std::string& out, std::string_view text, size_t max) {
  constexpr std::string_view kCut = "...\"";
  size_t room = max > 1 + kCut.size() ? max - 1 - kCut.size() : 0;
  out.push_back('"');
  size_t at = 0;
  while (at < text.size()) {
    size_t run = plain_run(text, at);
    size_t taken = run < room ? run : room;
    out.append(text, at, taken);
    at += taken;
    room -= taken;
    if (taken < run) break;
    if (at == text.size()) break;
    size_t used = 0;
    Piece piece = next_piece(text, at, used);
    if (piece.size > room) break;
    out.append(piece.octets, piece.size);
    at += used;
    room -= piece.size;
  }
  if (at < text.size()) {
    out.append(kCut);
    return false;
  }
  out.push_back('"');
  return true;
}

}  // namespace veredus
