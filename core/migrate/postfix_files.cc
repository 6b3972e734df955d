// Parsers of main.cf, master.cf and maps.
#include "migrate/postfix_files.h"

#include "base/text.h"

namespace veredus::migrate {

namespace {

constexpr std::string_view kSpace = " \t\r\f\v";

bool is_space(char c) { return kSpace.find(c) != std::string_view::npos || c == '\n'; }

std::string_view stripped(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view without_braces(std::string_view text) {
  text = stripped(text);
  return text.size() >= 2 && text.front() == '{' && text.back() == '}' ? stripped(text.substr(1, text.size() - 2)) : text;
}

bool is_parameter_name(std::string_view name) {
  if (name.empty()) return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == std::string_view::npos;
}

// NAME = VALUE
bool read_assignment(std::string_view text, Parameter& out) {
  size_t equals = text.find('=');
  if (equals == std::string_view::npos) return false;
  out.name = stripped(text.substr(0, equals));
  out.value = stripped(text.substr(equals + 1));
  return true;
}

// Words of master.cf: white space parts them, braces hold together.
std::vector<std::string> shell_words(std::string_view text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    if (is_space(text[at])) {
      ++at;
      continue;
    }
    size_t begin = at;
    for (int depth = 0; at < text.size() && (depth > 0 || !is_space(text[at])); ++at)
      depth += text[at] == '{' ? 1 : text[at] == '}' && depth > 0 ? -1 : 0;
    out.emplace_back(text.substr(begin, at - begin));
  }
  return out;
}

// "-o", "a=b" or "-oa=b" or "-o", "{ a = b }"; true when words[at] begins one, and `at` stands at its last word.
bool read_override(const std::vector<std::string>& words, size_t& at, Service& service) {
  if (!words[at].starts_with("-o")) return false;
  std::string_view text = std::string_view(words[at]).substr(2);
  if (text.empty() && at + 1 == words.size()) return false;
  if (text.empty()) text = words[++at];
  Parameter parameter;
  if (!read_assignment(without_braces(text), parameter)) return false;
  parameter.at = service.at;
  service.overrides.push_back(std::move(parameter));
  return true;
}

}  // namespace

const Parameter* Service::override_of(std::string_view parameter) const {
  const Parameter* found = nullptr;  // the last one counts
  for (const Parameter& one : overrides)
    if (one.name == parameter) found = &one;
  return found;
}

std::vector<LogicalLine> logical_lines(std::string_view text) {
  std::vector<LogicalLine> out;
  unsigned number = 0;
  while (!text.empty() && out.size() < kMostEntries) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    std::string_view words = stripped(line);
    if (words.empty() || words.front() == '#') continue;
    if (is_space(line.front()) && !out.empty()) out.back().text.append(" ").append(words);
    else out.push_back({number, std::string(words)});
  }
  return out;
}

std::vector<Parameter> parse_main(std::string_view text, const std::string& file, std::vector<LogicalLine>& broken) {
  std::vector<Parameter> out;
  for (LogicalLine& line : logical_lines(text)) {
    Parameter parameter;
    if (read_assignment(line.text, parameter) && is_parameter_name(parameter.name)) {
      parameter.at = {file, line.line};
      out.push_back(std::move(parameter));
    } else {
      broken.push_back(std::move(line));
    }
  }
  return out;
}

std::vector<Service> parse_master(std::string_view text, const std::string& file, std::vector<LogicalLine>& broken) {
  constexpr size_t kCommand = 7;  // name type private unpriv chroot wakeup maxproc command
  std::vector<Service> out;
  for (LogicalLine& line : logical_lines(text)) {
    auto words = shell_words(line.text);
    if (words.size() <= kCommand) {
      broken.push_back(std::move(line));
      continue;
    }
    Service service{words[0], words[1], words[kCommand], {}, {}, {file, line.line}};
    for (size_t at = kCommand + 1; at < words.size(); ++at)
      if (!read_override(words, at, service)) service.arguments.push_back(words[at]);
    out.push_back(std::move(service));
  }
  return out;
}

std::vector<MapEntry> parse_map(std::string_view text, const std::string& file) {
  std::vector<MapEntry> out;
  for (const LogicalLine& line : logical_lines(text)) {
    size_t end = line.text.find_first_of(" \t");
    std::string_view rest = end == std::string::npos ? std::string_view() : std::string_view(line.text).substr(end);
    out.push_back({line.text.substr(0, end), std::string(stripped(rest)), {file, line.line}});
  }
  return out;
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  int depth = 0;
  for (char c : text) {
    depth += c == '{' ? 1 : c == '}' && depth > 0 ? -1 : 0;
    bool parts = depth == 0 && c != '}' && (c == ',' || is_space(c));
    if (!parts) word += c;
    else if (!word.empty()) out.push_back(std::move(word)), word.clear();
  }
  if (!word.empty()) out.push_back(std::move(word));
  return out;
}

MapReference parse_reference(std::string_view word) {
  if (word.starts_with("{")) word = without_braces(word);
  size_t colon = word.find(':');
  if (colon == std::string_view::npos || word.starts_with("/") || word.starts_with("[")) return {"", std::string(word)};
  std::string_view type = word.substr(0, colon);
  if (type.empty() || type.find_first_not_of("abcdefghijklmnopqrstuvwxyz") != std::string_view::npos) return {"", std::string(word)};
  return {std::string(type), std::string(word.substr(colon + 1))};
}

std::vector<MapEntry> parse_inline(std::string_view argument, const Origin& at) {
  std::vector<MapEntry> out;
  for (const std::string& word : split_words(without_braces(argument))) {
    Parameter entry;
    if (read_assignment(without_braces(word), entry)) out.push_back({entry.name, entry.value, at});
  }
  return out;
}

}  // namespace veredus::migrate
