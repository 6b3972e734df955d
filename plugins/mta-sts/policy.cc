// Reads records by RFC 8461 3.1 and policies by 3.2.
#include "policy.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace mta_sts {

namespace {

constexpr std::string_view kVersion = "v=STSv1";
constexpr size_t kLongestId = 32, kLongestName = 32, kLongestDigits = 10;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_space(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// The name of an extension, of a record as of a policy.
bool is_name(std::string_view text) {
  if (text.empty() || text.size() > kLongestName || !is_alnum(text.front())) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '_' || c == '-' || c == '.'; });
}

std::string shown(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, 80)) out += c >= ' ' && c < 0x7F ? c : '?';
  return "'" + out + (text.size() > 80 ? "...'" : "'");
}

bool is_record_value(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F && c != ';' && c != '='; });
}

class RecordReader {
 public:
  Record read(std::string_view text) {
    if (!begins_as_record(text)) {
      error("the record does not begin with 'v=STSv1;'");
      return std::move(out_);
    }
    text.remove_prefix(kVersion.size() + 1);
    for (bool last = false; !last;) {
      size_t end = text.find(';');
      last = end == text.npos;
      field(trimmed(text.substr(0, end)), last);
      if (!last) text.remove_prefix(end + 1);
    }
    if (!has_id_) error("there is no 'id'; senders would not see that the policy has changed, and take the record for none");
    out_.valid = std::none_of(out_.findings.begin(), out_.findings.end(), [](const Finding& one) { return one.error; });
    return std::move(out_);
  }

 private:
  void error(std::string text) { out_.findings.push_back({true, 0, std::move(text)}); }
  void field(std::string_view field, bool last) {
    if (field.empty()) {
      if (!last) error("there is nothing between two semicolons");
      return;
    }
    size_t equals = field.find('=');
    if (equals == field.npos) return error(shown(field) + " is no field: 'name=value' is expected");
    std::string_view name = field.substr(0, equals), value = field.substr(equals + 1);
    if (name == "id") return id(value);
    if (!is_name(name)) return error(shown(name) + " is no name of a field");
    if (!is_record_value(value)) error("the value of " + shown(name) + " is empty or has characters that are not allowed");
  }
  void id(std::string_view value) {
    bool good = !value.empty() && value.size() <= kLongestId && std::all_of(value.begin(), value.end(), is_alnum);
    if (!good) return error("the id " + shown(value) + " must be 1 to 32 letters and digits");
    if (std::exchange(has_id_, true)) return out_.findings.push_back({false, 0, "'id' is there twice; the first counts"});
    out_.id = value;
  }
  Record out_;
  bool has_id_ = false;
};

class PolicyReader {
 public:
  ReadPolicy read(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) error(1, "the file begins with a byte order mark; save it without one");
    while (!text.empty()) {
      size_t end = text.find('\n');
      ++line_;
      std::string_view line = text.substr(0, end);
      if (end != text.npos && line.ends_with('\r')) line.remove_suffix(1);
      text.remove_prefix(end == text.npos ? text.size() : end + 1);
      one_line(line);
    }
    conclude();
    out_.valid = std::none_of(out_.findings.begin(), out_.findings.end(), [](const Finding& one) { return one.error; });
    return std::move(out_);
  }

 private:
  void error(size_t line, std::string text) {
    if (out_.findings.size() < 100) out_.findings.push_back({true, line, std::move(text)});
    else out_.findings.back().error = true;
  }
  void remark(std::string text) {
    if (out_.findings.size() < 100) out_.findings.push_back({false, line_, std::move(text)});
  }
  void one_line(std::string_view line) {
    if (trimmed(line).empty()) {
      if (blank_ == 0) blank_ = line_;
      return;
    }
    if (blank_ != 0) error(std::exchange(blank_, 0), "an empty line within the policy");
    if (line.find('\r') != line.npos) return error(line_, "a carriage return that ends no line; lines end with CRLF or LF");
    if (is_space(line.front())) return error(line_, "white space at the beginning of a line");
    size_t colon = line.find(':');
    if (colon == line.npos) return error(line_, shown(line) + " is no field: 'name: value' is expected");
    std::string_view name = line.substr(0, colon), value = trimmed(line.substr(colon + 1));
    if (!is_name(name)) return error(line_, shown(name) + " is no name of a field");
    if (value.empty()) return error(line_, "'" + std::string(name) + "' has no value");
    if (std::any_of(value.begin(), value.end(), [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; })) return error(line_, "a control character");
    field(name, value);
  }
  void field(std::string_view name, std::string_view value) {
    if (name == "mx") return mx(value);
    bool* seen = name == "version" ? &version_ : name == "mode" ? &mode_ : name == "max_age" ? &max_age_ : nullptr;
    if (!seen) return remark("the field '" + std::string(name) + "' is not known and does nothing");
    if (std::exchange(*seen, true)) return remark("'" + std::string(name) + "' is there twice; the first counts");
    if (seen == &version_ && value != "STSv1") error(line_, "the version " + shown(value) + " is not STSv1");
    if (seen == &mode_) mode(value);
    if (seen == &max_age_) max_age(value);
  }
  void mode(std::string_view value) {
    if (value == "enforce") out_.policy.mode = Mode::enforce;
    else if (value == "testing") out_.policy.mode = Mode::testing;
    else if (value != "none") error(line_, "the mode " + shown(value) + " is none of enforce, testing, none");
  }
  void mx(std::string_view value) {
    std::string_view rest = value.starts_with("*.") ? value.substr(2) : value;
    if (!is_domain(rest)) return error(line_, shown(value) + " is neither a host name nor '*.' and a domain");
    if (out_.policy.mx.size() == kMostPatterns) return error(line_, "more than 1000 lines 'mx'");
    out_.policy.mx.push_back(lowered(value));
  }
  void max_age(std::string_view value) {
    bool good = value.size() <= kLongestDigits && std::all_of(value.begin(), value.end(), is_digit);
    if (!good) return error(line_, "max_age " + shown(value) + " is no number of seconds from 0 to 31557600");
    int64_t seconds = 0;
    for (char c : value) seconds = seconds * 10 + (c - '0');
    if (seconds > kLongestAge) remark("max_age is more than a year; it counts as 31557600");
    out_.policy.max_age = std::min(seconds, kLongestAge);
  }
  void conclude() {
    if (blank_ != 0) out_.findings.push_back({false, blank_, "empty lines at the end"});
    if (!version_) error(0, "there is no 'version: STSv1'");
    if (!mode_) error(0, "there is no 'mode'");
    if (!max_age_) error(0, "there is no 'max_age'");
    if (mode_ && out_.policy.mode != Mode::none && out_.policy.mx.empty()) error(0, "there is no 'mx': no host would be allowed");
  }
  ReadPolicy out_;
  size_t line_ = 0, blank_ = 0;
  bool version_ = false, mode_ = false, max_age_ = false;
};

}  // namespace

bool is_domain(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  size_t label = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] != '.') {
      bool edge = label == 0 || i + 1 == text.size() || text[i + 1] == '.';
      if (!is_alnum(text[i]) && !(text[i] == '-' && !edge) && text[i] != '_') return false;
      ++label;
      continue;
    }
    if (label == 0 || label > 63) return false;
    label = 0;
  }
  return true;
}

bool begins_as_record(std::string_view text) { return text.starts_with("v=STSv1;"); }
Record read_record(std::string_view text) { return RecordReader().read(text); }
ReadPolicy read_policy(std::string_view text) { return PolicyReader().read(text); }

std::string_view mode_name(Mode mode) { return mode == Mode::enforce ? "enforce" : mode == Mode::testing ? "testing" : "none"; }

std::string Policy::text() const {
  std::string out = "version: STSv1\nmode: " + std::string(mode_name(mode)) + "\n";
  for (const std::string& one : mx) out += "mx: " + one + "\n";
  return out + "max_age: " + std::to_string(max_age) + "\n";
}

bool matches(std::string_view pattern, std::string_view host) {
  std::string name = lowered(host);
  if (name.ends_with('.')) name.pop_back();
  if (!pattern.starts_with("*.")) return name == pattern;
  size_t dot = name.find('.');
  return dot != std::string::npos && dot > 0 && std::string_view(name).substr(dot + 1) == pattern.substr(2);
}

bool Policy::allows(std::string_view host) const {
  return std::any_of(mx.begin(), mx.end(), [&](const std::string& pattern) { return matches(pattern, host); });
}

std::string ReadPolicy::first_problem() const {
  for (const Finding& one : findings)
    if (one.error) return one.sentence();
  return {};
}

}  // namespace mta_sts
