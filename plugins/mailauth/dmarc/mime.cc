// As much of MIME (RFC 2045, 2046, 2183) as mails with reports need, read mildly: what cannot be read is left out.
#include <algorithm>

#include "mailauth/base/header_block.h"
#include "common/text.hpp"
#include "mailauth/dmarc/unpack.h"

namespace mailauth {

namespace {

using common::lowered;
using common::trimmed;
constexpr size_t kLongestField = 4'096;

// "word; name=value; name=\"value\"": the word, and one value.
std::string word_of(std::string_view field) { return lowered(trimmed(field.substr(0, field.find(';')))); }

std::string parameter(std::string_view field, std::string_view wanted) {
  field = field.substr(0, kLongestField);
  for (size_t at = field.find(';'); at != field.npos;) {
    field.remove_prefix(at + 1);
    size_t equals = field.find('=');
    if (equals == field.npos) return {};
    bool match = lowered(trimmed(field.substr(0, equals))) == wanted;
    field = field.substr(equals + 1);
    field.remove_prefix(std::min(field.find_first_not_of(" \t\r\n"), field.size()));
    std::string value;
    if (field.starts_with('"')) {
      size_t i = 1;
      for (; i < field.size() && field[i] != '"'; ++i) value += field[i] == '\\' && i + 1 < field.size() ? field[++i] : field[i];
      field.remove_prefix(std::min(i, field.size()));
    } else {
      value = trimmed(field.substr(0, field.find(';')));
    }
    if (match) return value;
    at = field.find(';');
  }
  return {};
}

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

std::string from_base64(std::string_view text) {
  std::string out;
  uint32_t bits = 0, count = 0;
  for (char c : text) {
    if (c == '=') break;
    int digit = base64_digit(c);
    if (digit < 0) continue;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if (++count % 4 == 1) continue;
    out += static_cast<char>(bits >> (6 - 2 * ((count - 1) % 4)) & 0xFF);
  }
  return out;
}

int hex_digit(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string from_quoted_printable(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
    } else if (i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      while (i + 1 < text.size() && (text[i + 1] == '\r' || text[i + 1] == ' ' || text[i + 1] == '\t')) ++i;
      if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
    }
  }
  return out;
}

}  // namespace

MimePart mime_part(std::string_view octets) {
  MimePart out;
  HeaderBlock block = read_header(octets);
  for (const Field& field : block.fields) {
    if (same_name(field.name, "Content-Type") && out.type.empty()) {
      out.type = word_of(field.value);
      out.boundary = parameter(field.value, "boundary");
      if (out.name.empty()) out.name = parameter(field.value, "name");
    }
    if (same_name(field.name, "Content-Disposition"))
      if (std::string name = parameter(field.value, "filename"); !name.empty()) out.name = name;
    if (same_name(field.name, "Content-Transfer-Encoding")) out.encoding = word_of(field.value);
  }
  if (out.type.empty()) out.type = "text/plain";
  out.body = octets.substr(std::min(block.body, octets.size()));
  return out;
}

std::vector<std::string_view> mime_children(const MimePart& part, size_t most) {
  std::vector<std::string_view> out;
  if (part.boundary.empty()) return out;
  std::string mark = "--" + part.boundary;
  size_t begin = part.body.npos;
  for (size_t line = 0; line < part.body.size();) {
    size_t end = std::min(part.body.find('\n', line), part.body.size());
    if (part.body.substr(line).starts_with(mark)) {
      if (begin != part.body.npos) out.push_back(part.body.substr(begin, line - begin));
      begin = std::min(end + 1, part.body.size());
      if (out.size() >= most || part.body.substr(line + mark.size()).starts_with("--")) return out;
    }
    line = end + 1;
  }
  if (begin != part.body.npos) out.push_back(part.body.substr(begin));  // the end is missing
  return out;
}

std::string mime_decoded(const MimePart& part) {
  if (part.encoding == "base64") return from_base64(part.body);
  if (part.encoding == "quoted-printable") return from_quoted_printable(part.body);
  return std::string(part.body);
}

}  // namespace mailauth
