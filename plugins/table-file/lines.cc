// Reading lines.
#include "lines.h"

#include "common/text.hpp"

namespace table {

namespace {

constexpr std::string_view kSpace = " \t\r";

// Takes a text in quotes off the front; false when it does not end.
bool take_quoted(std::string_view& rest, std::string& out) {
  for (size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '"') {
      rest.remove_prefix(i + 1);
      return true;
    }
    if (rest[i] == '\\' && i + 1 < rest.size()) ++i;
    out += rest[i];
  }
  return false;
}

// A comment begins at the start of the line or behind a space.
std::string_view without_comment(std::string_view text) {
  for (size_t at = text.find('#'); at != text.npos; at = text.find('#', at + 1))
    if (at == 0 || kSpace.find(text[at - 1]) != kSpace.npos) return text.substr(0, at);
  return text;
}

std::string read_value(std::string_view rest, std::string& out) {
  rest = common::trimmed(rest, kSpace);
  if (rest.empty() || rest.front() != '"') {
    out = common::trimmed(without_comment(rest), kSpace);
    return {};
  }
  if (!take_quoted(rest, out)) return "a quote that does not end";
  return common::trimmed(without_comment(rest), kSpace).empty() ? "" : "text behind the closing quote";
}

std::string read_line(std::string_view text, Line& line) {
  line.key.clear();
  line.value.clear();
  if (text.front() == '"') {
    if (!take_quoted(text, line.key)) return "a quote that does not end";
    if (!text.empty() && kSpace.find(text.front()) == kSpace.npos) return "text behind the closing quote";
  } else {
    size_t end = std::min(text.find_first_of(kSpace), text.size());
    line.key = text.substr(0, end);
    text.remove_prefix(end);
  }
  std::string problem = read_value(text, line.value);
  if (!problem.empty()) return problem;
  if (line.key.empty()) return "an empty key";
  if (line.key.size() > kMaxKey) return "a key of more than " + std::to_string(kMaxKey) + " octets";
  return line.value.size() > kMaxValue ? "a value of more than " + std::to_string(kMaxValue) + " octets" : "";
}

}  // namespace

std::string each_line(std::string_view text, const std::function<std::string(Line&)>& take) {
  Line line;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string_view raw = common::trimmed(text.substr(at, end - at), kSpace);
    at = end + 1;
    if (++line.number > kMaxLines) return std::to_string(line.number) + ": more than " + std::to_string(kMaxLines) + " lines";
    if (raw.empty() || raw.front() == '#') continue;
    std::string problem = raw.find('\0') != raw.npos ? "a NUL octet" : read_line(raw, line);
    if (problem.empty()) problem = take(line);
    if (!problem.empty()) return std::to_string(line.number) + ": " + problem;
  }
  return {};
}

}  // namespace table
