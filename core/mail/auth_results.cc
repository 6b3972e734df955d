// Composing and recognising Authentication-Results.
#include "mail/auth_results.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "mail/headers.h"

namespace veredus {

namespace {

constexpr std::string_view kName = "Authentication-Results";
constexpr size_t kLineWidth = 78;
constexpr size_t kLongestValue = 400;  // escaped, and with its name, it fits a line of 998 octets
constexpr size_t kLongestKept = 4096;
constexpr size_t kLongestWord = 64;
constexpr size_t kMostProperties = 32;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter_or_digit(char c) { return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'); }

// "Keyword" of RFC 5321.
bool is_keyword(std::string_view word) {
  auto fits = [](char c) { return is_letter_or_digit(c) || c == '-'; };
  return !word.empty() && word.size() <= kLongestWord && word.back() != '-' && std::all_of(word.begin(), word.end(), fits);
}

// A keyword, perhaps with a version: "dkim/1".
bool is_method(std::string_view method) {
  size_t slash = method.find('/');
  if (slash == std::string_view::npos) return is_keyword(method);
  std::string_view version = method.substr(slash + 1);
  return is_keyword(method.substr(0, slash)) && !version.empty() && version.size() <= 4 &&
         std::all_of(version.begin(), version.end(), is_digit);
}

bool is_property(std::string_view name) {
  size_t dot = name.find('.');
  return dot != std::string_view::npos && is_keyword(name.substr(0, dot)) && is_keyword(name.substr(dot + 1));
}

// RFC 2045 5.1.
bool is_token_octet(char c) { return c > 0x20 && c < 0x7F && std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos; }
bool is_token(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), is_token_octet); }

bool is_plain_domain(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return is_letter_or_digit(c) || c == '.' || c == '-'; });
}

// May stand without quotes: a token, or [local-part]@domain.
bool is_plain(std::string_view value) {
  size_t at = value.find('@');
  if (at == std::string_view::npos) return is_token(value);
  return (at == 0 || is_token(value.substr(0, at))) && is_plain_domain(value.substr(at + 1));
}

// What is left out ends in dots inside quotes, so that no shorter name or address is made of a longer one.
std::string cut(std::string_view value) {
  if (value.size() <= kLongestValue) return std::string(value);
  size_t end = kLongestValue;
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0) == 0x80) --end;
  return std::string(value.substr(0, end)) + " ...";
}

std::string quoted(std::string_view value, bool utf8) {
  std::string text = cut(value);
  bool keep_high = utf8 && is_utf8(text);
  std::string out = "\"";
  for (char c : text) {
    auto octet = static_cast<unsigned char>(c);
    if (c == '\r' || c == '\n' || c == '\t') c = ' ';
    else if (octet < 0x20 || octet == 0x7F || (octet > 0x7F && !keep_high)) c = '?';
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "\"";
}

std::string written(std::string_view value, bool utf8) {
  return value.size() <= kLongestValue && is_plain(value) ? std::string(value) : quoted(value, utf8);
}

// Words of a field, each on the same line as long as there is room.
class Lines {
 public:
  explicit Lines(std::string first) : out_(std::move(first)), width_(kName.size() + 2 + out_.size()) {}
  void new_line(std::string_view word) {
    out_.append("\r\n\t").append(word);
    width_ = 8 + word.size();
  }
  void word(std::string_view word) {
    if (width_ + 1 + word.size() > kLineWidth) return new_line(word);
    out_.append(" ").append(word);
    width_ += 1 + word.size();
  }
  void end() { out_ += ';'; }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
  size_t width_;
};

// Comments and white space (RFC 5322 3.2.2).
void skip_cfws(std::string_view& text) {
  size_t depth = 0, at = 0;
  for (; at < text.size(); ++at) {
    char c = text[at];
    if (c == '(') ++depth;
    else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n') break;
    else if (c == '\\' && depth > 0) ++at;
    else if (c == ')') --depth;
  }
  text.remove_prefix(std::min(at, text.size()));
}

std::string quoted_word(std::string_view text) {
  std::string out;
  for (size_t at = 1; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\' && at + 1 < text.size()) ++at;
    if (text[at] != '\r' && text[at] != '\n') out.push_back(text[at]);
  }
  return std::string(trimmed(out));
}

}  // namespace

std::string_view auth_result_problem(const AuthResult& result) {
  if (!is_method(result.method)) return "a malformed method";
  if (!is_keyword(result.result)) return "a malformed result";
  if (result.properties.size() > kMostProperties) return "too many properties";
  if (result.reason.size() > kLongestKept) return "a reason that is too long";
  for (const auto& [name, value] : result.properties) {
    if (!is_property(name)) return "a malformed property";
    if (value.size() > kLongestKept) return "a value that is too long";
  }
  return {};
}

std::string auth_results_value(std::string_view authserv_id, std::span<const AuthResult> results, bool utf8) {
  Lines lines(is_token(authserv_id) ? std::string(authserv_id) : quoted(authserv_id, utf8));
  for (const AuthResult& result : results) {
    lines.end();
    lines.new_line(result.method + "=" + result.result);
    if (!result.reason.empty()) lines.word("reason=" + quoted(result.reason, utf8));
    for (const auto& [name, value] : result.properties) lines.word(name + "=" + written(value, utf8));
  }
  if (!results.empty()) return lines.take();
  lines.end();
  lines.word("none");
  return lines.take();
}

bool claims_authserv_id(std::string_view value, std::string_view authserv_id) {
  skip_cfws(value);
  std::string id = value.starts_with('"') ? quoted_word(value) : std::string(value.substr(0, value.find_first_of(" \t\r\n;(/")));
  if (id.ends_with('.')) id.pop_back();
  return !id.empty() && iequals(id, authserv_id);
}

std::vector<uint32_t> claimed_results(std::string_view header_block, std::string_view authserv_id) {
  HeaderLimits boundless;
  boundless.octets = boundless.fields = SIZE_MAX;
  std::vector<uint32_t> out;
  auto block = HeaderBlock::parse(header_block, boundless);
  uint32_t occurrence = 0;
  for (const HeaderField& field : block ? block->fields() : std::span<const HeaderField>()) {
    if (field.name_size == 0 || !iequals(block->name(field), kName)) continue;
    ++occurrence;
    if (claims_authserv_id(block->value(field), authserv_id)) out.push_back(occurrence);
  }
  return out;
}

}  // namespace veredus
