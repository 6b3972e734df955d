#include "mailauth/spf/macro.h"

#include <algorithm>
#include <vector>

namespace mailauth::spf {

namespace {

constexpr size_t kMostMacros = 256, kLongestExpansion = 8192, kLongestName = 253, kLongestLabel = 63;
constexpr std::string_view kDelimiters = ".-+,/_=";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
bool is_visible(char c) { return c > ' ' && c < 0x7F; }

// One "%{...}".
struct Macro {
  char letter = 0;           // in lower case
  bool escape = false;       // the letter was in upper case
  bool reverse = false;
  size_t parts = 0;          // from the right; 0: all
  bool wrong_parts = false;  // "0"
  std::string_view delimiters;
};

// Reads what stands behind "%{". Octets up to and with the brace; 0: no macro.
size_t read_macro(std::string_view text, Macro& out) {
  if (text.empty() || !is_letter(text[0])) return 0;
  out.letter = lower(text[0]);
  out.escape = out.letter != text[0];
  size_t at = 1, digits = at;
  for (; at < text.size() && is_digit(text[at]); ++at) out.parts = std::min<size_t>(out.parts * 10 + static_cast<size_t>(text[at] - '0'), 100'000);
  out.wrong_parts = at > digits && out.parts == 0;
  if (at < text.size() && lower(text[at]) == 'r') out.reverse = true, ++at;
  size_t begin = at;
  while (at < text.size() && kDelimiters.find(text[at]) != kDelimiters.npos) ++at;
  out.delimiters = text.substr(begin, at - begin);
  return at < text.size() && text[at] == '}' ? at + 1 : 0;
}

// A piece of a macro string: literal octets, or a macro, or one of %% %_ %-.
struct Piece {
  enum class Kind { literal, macro, escaped, wrong } kind = Kind::literal;
  std::string_view text;
  Macro macro;
};

Piece next_piece(std::string_view text) {
  Piece out;
  if (text[0] != '%') {
    out.text = text.substr(0, text.find('%'));
    return out;
  }
  char second = text.size() > 1 ? text[1] : '\0';
  out.kind = Piece::Kind::escaped;
  out.text = text.substr(0, 2);
  if (second == '%' || second == '_' || second == '-') return out;
  size_t length = second == '{' ? read_macro(text.substr(2), out.macro) : 0;
  out.kind = length ? Piece::Kind::macro : Piece::Kind::wrong;
  out.text = text.substr(0, length ? length + 2 : std::min<size_t>(text.size(), 12));
  return out;
}

std::string letter_problem(const Piece& piece, MacroUse use) {
  std::string_view all = "slodiphvcrt", domains = "slodiphv";
  std::string shown(piece.text);
  if (all.find(piece.macro.letter) == all.npos) return "'" + shown + "' is no macro: the letters are s l o d i p h v, and c r t in explanations";
  if (use == MacroUse::domain && domains.find(piece.macro.letter) == domains.npos) return "'" + shown + "' may stand in explanations only";
  if (piece.macro.wrong_parts) return "'" + shown + "' asks for 0 parts; the number must be 1 or more";
  return {};
}

std::string literal_problem(std::string_view text, MacroUse use) {
  for (char c : text) {
    if (is_visible(c) || (c == ' ' && use == MacroUse::explanation)) continue;
    return static_cast<unsigned char>(c) > 0x7E ? "it has octets that are no printable ASCII" : "it has a space or control character";
  }
  return {};
}

std::string piece_problem(const Piece& piece, MacroUse use) {
  switch (piece.kind) {
    case Piece::Kind::literal: return literal_problem(piece.text, use);
    case Piece::Kind::macro: return letter_problem(piece, use);
    case Piece::Kind::escaped: return {};
    case Piece::Kind::wrong: break;
  }
  return "a '%' begins no macro: %{LETTER...}, %%, %_ and %- are known";
}

std::string_view value_of(char letter, const MacroValues& values) {
  switch (letter) {
    case 's': return values.sender;
    case 'l': return values.local;
    case 'o': return values.sender_domain;
    case 'd': return values.domain;
    case 'i': return values.ip;
    case 'p': return values.validated;
    case 'v': return values.family;
    case 'h': return values.helo;
    case 'c': return values.readable_ip;
    case 'r': return values.receiver;
    default: return values.time;
  }
}

void append_escaped(std::string& out, std::string_view part) {
  constexpr std::string_view kHex = "0123456789ABCDEF", kUnreserved = "-._~";
  for (char c : part) {
    auto octet = static_cast<unsigned char>(c);
    if (is_letter(c) || is_digit(c) || kUnreserved.find(c) != kUnreserved.npos) out += c;
    else out.append({'%', kHex[octet >> 4], kHex[octet & 15]});
  }
}

std::vector<std::string_view> split(std::string_view value, std::string_view delimiters) {
  std::vector<std::string_view> out;
  for (;;) {
    size_t end = value.find_first_of(delimiters);
    out.push_back(value.substr(0, end));
    if (end == value.npos) return out;
    value.remove_prefix(end + 1);
  }
}

std::string transformed(const Macro& macro, std::string_view value) {
  if (!macro.reverse && !macro.parts && (macro.delimiters.empty() || macro.delimiters == ".")) return std::string(value);
  std::vector<std::string_view> parts = split(value, macro.delimiters.empty() ? "." : macro.delimiters);
  if (macro.reverse) std::reverse(parts.begin(), parts.end());
  size_t first = macro.parts && macro.parts < parts.size() ? parts.size() - macro.parts : 0;
  std::string out;
  for (size_t i = first; i < parts.size(); ++i) out.append(i == first ? "" : ".").append(parts[i]);
  return out;
}

void append(std::string& out, const Piece& piece, const MacroValues& values) {
  if (piece.kind == Piece::Kind::literal) out += piece.text;
  else if (piece.kind == Piece::Kind::escaped) out += piece.text == "%%" ? "%" : piece.text == "%_" ? " " : "%20";
  else if (std::string value = transformed(piece.macro, value_of(piece.macro.letter, values)); piece.macro.escape) append_escaped(out, value);
  else out += value;
}

// The last label of a name in a record: letters, digits, inner hyphens, not only digits.
bool is_top_label(std::string_view label) {
  bool charset = std::all_of(label.begin(), label.end(), [](char c) { return is_letter(c) || is_digit(c) || c == '-'; });
  bool numeric = std::all_of(label.begin(), label.end(), is_digit);
  return !label.empty() && charset && !numeric && label.front() != '-' && label.back() != '-';
}

std::string end_problem(std::string_view literal) {
  if (literal.ends_with('.')) literal.remove_suffix(1);
  size_t dot = literal.rfind('.');
  if (dot == literal.npos) return "it is no domain name: it must end in a dot and a label, or in a macro";
  std::string_view label = literal.substr(dot + 1);
  if (is_top_label(label)) return {};
  if (!label.empty() && std::all_of(label.begin(), label.end(), is_digit)) return "it ends in a number as addresses do; addresses are written with ip4 or ip6";
  return "'" + std::string(label.substr(0, 63)) + "' cannot be the last label of a domain name";
}

bool is_name(std::string_view name) {
  if (name.empty() || name.size() > kLongestName) return false;
  for (std::string_view label : split(name, "."))
    if (label.empty() || label.size() > kLongestLabel) return false;
  return std::none_of(name.begin(), name.end(), [](char c) { return c == '\\' || static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) > 0x7E; });
}

}  // namespace

std::string macro_problem(std::string_view text, MacroUse use) {
  while (!text.empty()) {
    Piece piece = next_piece(text);
    std::string problem = piece_problem(piece, use);
    if (!problem.empty()) return problem;
    text.remove_prefix(piece.text.size());
  }
  return {};
}

std::string domain_spec_problem(std::string_view text) {
  if (text.empty()) return "a domain name is missing";
  std::string problem = macro_problem(text, MacroUse::domain);
  if (!problem.empty()) return problem;
  Piece last;
  for (; !text.empty(); text.remove_prefix(last.text.size())) last = next_piece(text);
  return last.kind == Piece::Kind::literal ? end_problem(last.text) : std::string();
}

bool wants_validated_name(std::string_view text) {
  while (!text.empty()) {
    Piece piece = next_piece(text);
    if (piece.kind == Piece::Kind::macro && piece.macro.letter == 'p') return true;
    text.remove_prefix(piece.text.size());
  }
  return false;
}

std::optional<std::string> expanded(std::string_view text, const MacroValues& values, size_t most) {
  std::string out;
  size_t macros = 0;
  while (!text.empty()) {
    Piece piece = next_piece(text);
    if (piece.kind == Piece::Kind::wrong || (piece.kind != Piece::Kind::literal && ++macros > kMostMacros)) return std::nullopt;
    append(out, piece, values);
    if (out.size() > most) return std::nullopt;
    text.remove_prefix(piece.text.size());
  }
  return out;
}

std::optional<std::string> target_name(std::string_view spec, const MacroValues& values) {
  std::optional<std::string> name = expanded(spec, values, kLongestExpansion);
  if (!name) return std::nullopt;
  if (name->ends_with('.')) name->pop_back();
  if (name->size() > kLongestName) {
    size_t dot = name->find('.', name->size() - kLongestName - 1);
    if (dot == name->npos) return std::nullopt;
    name->erase(0, dot + 1);
  }
  if (!is_name(*name)) return std::nullopt;
  return name;
}

}  // namespace mailauth::spf
