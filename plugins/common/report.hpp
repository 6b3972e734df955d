// Report: what a check command prints: a word, then lines "NAME: text"; or one JSON object. What strangers wrote is made printable. Also the
// words of such a command, and its standard input. Any thread.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace common {

inline std::string printable(std::string_view text, size_t most = 1000) {
  std::string out;
  for (char c : text.substr(0, most)) out += static_cast<unsigned char>(c) >= ' ' && c != 0x7F ? c : '?';
  return text.size() > most ? out + "..." : out;
}

class Report {
 public:
  Report& line(const std::string& name, std::string_view text) {
    lines_.emplace_back(name, printable(text));
    return *this;
  }
  Report& result(std::string word, std::string_view text = {}) {
    word_ = std::move(word);
    text_ = printable(text);
    return *this;
  }
  const std::string& word() const { return word_; }
  std::string text(const std::string& subject = {}) const {
    std::string out = word_ + (subject.empty() ? "" : " " + subject) + (text_.empty() ? "" : ": " + text_) + "\n";
    for (const auto& [name, text] : lines_) out += name + ": " + text + "\n";
    return out;
  }
  // Names become lists.
  std::string json(const std::string& subject = {}) const {
    nlohmann::ordered_json out;
    out["result"] = word_;
    if (!subject.empty()) out["subject"] = subject;
    if (!text_.empty()) out["summary"] = text_;
    for (const auto& [name, text] : lines_) out[name].push_back(text);
    return out.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
  }

 private:
  std::string word_, text_;
  std::vector<std::pair<std::string, std::string>> lines_;
};

// "--name VALUE", "--name=VALUE" and flags taken out of words; what is left are arguments and what is not known.
struct Words {
  explicit Words(std::vector<std::string> from) : left(std::move(from)) {}
  bool flag(const std::string& name) { return std::erase(left, name) > 0; }
  std::string option(const std::string& name, std::string otherwise = {}) {
    for (size_t i = 0; i < left.size(); ++i) {
      bool joined = left[i].starts_with(name + "=");
      if (!joined && (left[i] != name || i + 1 == left.size())) continue;
      std::string value = joined ? left[i].substr(name.size() + 1) : left[i + 1];
      left.erase(left.begin() + static_cast<long>(i), left.begin() + static_cast<long>(i + (joined ? 1 : 2)));
      return value;
    }
    return otherwise;
  }
  // -1: not a number from `low` to `high`.
  int64_t number(const std::string& name, int64_t otherwise, int64_t low, int64_t high) {
    std::string text = option(name, std::to_string(otherwise));
    int64_t out = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size() && out >= low && out <= high ? out : -1;
  }
  std::vector<std::string> left;
};

inline std::string read_input(size_t most) {
  std::string out;
  char buffer[16'384];
  for (ssize_t got = 1; got != 0 && out.size() <= most;) {
    got = read(STDIN_FILENO, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    out.append(buffer, static_cast<size_t>(got));
  }
  return out;
}

}  // namespace common
