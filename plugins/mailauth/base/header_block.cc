#include "mailauth/base/header_block.h"

#include <algorithm>

namespace mailauth {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// The end of the line that begins at `from`: behind its LF, or the end of the text.
size_t line_end(std::string_view text, size_t from) {
  size_t at = text.find('\n', from);
  return at == std::string_view::npos ? text.size() : at + 1;
}

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool continues(std::string_view text, size_t at) { return at < text.size() && (text[at] == ' ' || text[at] == '\t'); }

bool split_field(std::string_view whole, Field& out) {
  size_t colon = whole.find(':');
  if (colon == std::string_view::npos) return false;
  std::string_view name = whole.substr(0, colon);
  while (!name.empty() && (name.back() == ' ' || name.back() == '\t')) name.remove_suffix(1);
  bool printable = std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (name.empty() || !printable) return false;
  out = {name, whole.substr(colon + 1), whole};
  return true;
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

bool may_have_field(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    std::string_view line = header.substr(0, line_end(header, 0));
    if (line.size() > name.size() && same_name(line.substr(0, name.size()), name)) {
      char next = line[name.size()];
      if (next == ':' || next == ' ' || next == '\t') return true;
    }
    header.remove_prefix(line.size());
  }
  return false;
}

HeaderBlock read_header(std::string_view message) {
  HeaderBlock out;
  size_t at = 0;
  while (at < message.size()) {
    size_t end = line_end(message, at);
    if (without_line_end(message.substr(at, end - at)).empty()) {
      out.body = end;
      return out;
    }
    while (continues(message, end)) end = line_end(message, end);
    Field field;
    if (!split_field(without_line_end(message.substr(at, end - at)), field)) break;
    out.fields.push_back(field);
    at = end;
  }
  out.body = at;
  return out;
}

}  // namespace mailauth
