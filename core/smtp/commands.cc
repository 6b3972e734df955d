// Splitting of command lines and of the arguments that are not ESMTP parameters.
#include "smtp/commands.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "mail/xtext.h"

namespace veredus {

namespace {

constexpr size_t kMaxHeloName = 255;
constexpr size_t kMaxAttributes = 32;

bool is_graphic(char c) {
  return c > ' ' && c < 0x7f;
}

// The index after the '>' that ends a path, 0 when there is none. Brackets inside quotes do not count.
size_t path_end(std::string_view text) {
  bool quoted = false;
  for (size_t i = 1; i < text.size(); ++i) {
    if (quoted && text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      quoted = !quoted;
    else if (!quoted && text[i] == '>')
      return i + 1;
  }
  return 0;
}

// "@relay.test,@other.test:user@host" is taken as "user@host" (RFC 5321 appendix C).
std::optional<std::string_view> without_route(std::string_view path) {
  if (path.empty() || path[0] != '@') return path;
  size_t colon = path.find(':');
  if (colon == path.npos) return std::nullopt;
  for (std::string_view hop : split(path.substr(0, colon), ',')) {
    if (hop.size() < 2 || hop[0] != '@') return std::nullopt;
    for (char c : hop.substr(1))
      if (!is_graphic(c) || c == '@' || c == '<' || c == '>' || c == '"') return std::nullopt;
  }
  return path.substr(colon + 1);
}

std::optional<std::pair<std::string, std::string>> parse_attribute(std::string_view word) {
  static constexpr std::array<std::string_view, 9> kNames{
      "NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT", "REVERSE_NAME"};
  size_t equals = word.find('=');
  if (equals == word.npos) return std::nullopt;
  auto name = std::find_if(kNames.begin(), kNames.end(),
                           [&](std::string_view n) { return iequals(n, word.substr(0, equals)); });
  auto value = decode_value(word.substr(equals + 1));
  if (name == kNames.end() || !value || value->size() > kMaxHeloName) return std::nullopt;
  if (iequals(*value, "[UNAVAILABLE]") || iequals(*value, "[TEMPUNAVAIL]")) value->clear();
  return std::make_pair(std::string(*name), std::move(*value));
}

}  // namespace

CommandLine split_command(std::string_view line) {
  size_t space = line.find(' ');
  if (space == line.npos) return {line, {}};
  return {line.substr(0, space), trimmed(line.substr(space + 1))};
}

Answer check_octets(std::string_view line, bool may_be_utf8) {
  bool high = false;
  for (char c : line) {
    auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f) return {500, {5, 5, 2}, "Control characters are not allowed"};
    high = high || octet > 0x7f;
  }
  if (high && !may_be_utf8) return {500, {5, 5, 2}, "Only ASCII is allowed here"};
  if (high && !is_utf8(line)) return {500, {5, 5, 2}, "Not well-formed UTF-8"};
  return {};
}

bool is_foreign_verb(std::string_view verb) {
  static constexpr std::array<std::string_view, 10> kForeign{"GET",     "POST",   "CONNECT", "HEAD",  "PUT",
                                                             "OPTIONS", "DELETE", "TRACE",   "PATCH", "PRI"};
  return std::any_of(kForeign.begin(), kForeign.end(),
                     [&](std::string_view word) { return iequals(word, verb); });
}

Answer check_helo_name(std::string_view name) {
  if (name.empty()) return {501, {5, 5, 4}, "A host name is required"};
  bool legal = name.size() <= kMaxHeloName && std::all_of(name.begin(), name.end(), is_graphic);
  return legal ? Answer{} : Answer{501, {5, 5, 4}, "Not a host name"};
}

std::optional<PathArgument> split_path(std::string_view arguments, std::string_view keyword) {
  if (!istarts_with(arguments, keyword)) return std::nullopt;
  std::string_view rest = trimmed(arguments.substr(keyword.size()));
  if (rest.empty() || rest[0] != '<') return std::nullopt;
  size_t end = path_end(rest);
  if (end == 0 || (end < rest.size() && rest[end] != ' ')) return std::nullopt;
  auto path = without_route(rest.substr(1, end - 2));
  if (!path) return std::nullopt;
  return PathArgument{*path, trimmed(rest.substr(end))};
}

std::optional<ChunkArgument> parse_chunk(std::string_view arguments) {
  CommandLine words = split_command(arguments);
  if (words.verb.empty() || words.verb.size() > 19) return std::nullopt;
  auto octets = parse_uint(words.verb);
  if (!octets) return std::nullopt;
  if (!words.arguments.empty() && !iequals(words.arguments, "LAST")) return std::nullopt;
  return ChunkArgument{*octets, !words.arguments.empty()};
}

std::optional<Attributes> parse_xclient(std::string_view arguments) {
  Attributes out;
  for (std::string_view word : split(arguments, ' ')) {
    if (word.empty()) continue;
    auto attribute = parse_attribute(word);
    if (!attribute || out.size() == kMaxAttributes) return std::nullopt;
    out.push_back(std::move(*attribute));
  }
  if (out.empty()) return std::nullopt;
  return out;
}

std::optional<Attributes> parse_local_words(std::string_view arguments) {
  Attributes out;
  for (std::string_view word : split(arguments, ' ')) {
    if (word.empty()) continue;
    size_t equals = word.find('=');
    auto value = equals == word.npos ? std::nullopt : decode_value(word.substr(equals + 1));
    if (!value || equals == 0 || out.size() == kMaxAttributes) return std::nullopt;
    std::string key(word.substr(0, equals));
    for (char& c : key)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    out.emplace_back(std::move(key), std::move(*value));
  }
  return out;
}

std::optional<std::string> decode_value(std::string_view text) {
  Result<std::string> decoded = decode_xtext(text);
  if (!decoded || !is_utf8(*decoded)) return std::nullopt;
  return std::move(*decoded);
}

}  // namespace veredus
