#include "mailauth/arc/results.h"

#include <utility>

#include "common/text.hpp"

namespace mailauth {

namespace {

using common::lowered;
constexpr size_t kMostResults = 64, kMostProperties = 32;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Words, and "=" and ";" by themselves. A quoted string is part of a word; comments and white space end one.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  bool begun = false;
  auto close = [&] {
    if (begun) out.push_back(std::exchange(word, {}));
    begun = false;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '(') {
      close();
      for (int depth = 0; i < text.size(); ++i) {
        if (text[i] == '\\') ++i;
        else if (text[i] == '(') ++depth;
        else if (text[i] == ')' && --depth == 0) break;
      }
    } else if (c == '"') {
      begun = true;
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) ++i;
        word += text[i];
      }
    } else if (is_space(c)) {
      close();
    } else if (c == '=' || c == ';') {
      close();
      out.emplace_back(1, c);
    } else {
      begun = true;
      word += c;
    }
  }
  close();
  return out;
}

}  // namespace

std::string_view MethodResult::property(std::string_view name) const {
  for (const auto& [key, value] : properties)
    if (key == name) return value;
  return {};
}

ResultsField read_results(std::string_view value) {
  ResultsField out;
  std::vector<std::string> words = words_of(value.substr(0, 65'536));
  size_t at = 0;
  if (words.empty() || words[0] == ";" || words[0] == "=") return out;
  out.authserv_id = lowered(words[0]);
  out.valid = true;
  while (at < words.size() && words[at] != ";") ++at;
  while (at < words.size() && out.results.size() < kMostResults) {
    size_t end = ++at;
    while (end < words.size() && words[end] != ";") ++end;
    MethodResult result;
    for (; at < end; ++at) {
      if (at + 2 >= end || words[at + 1] != "=") continue;
      std::string name = lowered(words[at]);
      if (result.method.empty()) {
        result.method = name.substr(0, name.find('/'));
        result.result = lowered(words[at + 2]);
      } else if (result.properties.size() < kMostProperties) {
        result.properties.emplace_back(std::move(name), words[at + 2]);
      }
      at += 2;
    }
    if (!result.method.empty()) out.results.push_back(std::move(result));
    at = end;
  }
  return out;
}

}  // namespace mailauth
