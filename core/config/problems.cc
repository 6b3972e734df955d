// Errors with their places, and suggestions for mistyped words.
#include "config/problems.h"

#include <algorithm>
#include <tuple>

#include "base/text.h"

namespace veredus {

namespace {

std::vector<ConfigError> sorted(std::vector<ConfigError> list) {
  std::stable_sort(list.begin(), list.end(), [](const ConfigError& a, const ConfigError& b) {
    return std::tie(a.file, a.line, a.column) < std::tie(b.file, b.line, b.column);
  });
  return list;
}

}  // namespace

std::string Place::text() const {
  if (line == 0) return file;
  return file + ":" + std::to_string(line) + ":" + std::to_string(column);
}

const ConfigEntry* ConfigNode::find(std::string_view key) const {
  for (const ConfigEntry& entry : entries)
    if (entry.key == key) return &entry;
  return nullptr;
}

std::string ConfigError::full() const {
  std::string place = Place{file, line, column}.text();
  return place.empty() ? text : place + ": " + text;
}

void Problems::error(const Place& place, std::string text) {
  errors_.push_back({place.file, place.line, place.column, std::move(text)});
}

void Problems::warning(const Place& place, std::string text) {
  warnings_.push_back({place.file, place.line, place.column, std::move(text)});
}

std::vector<ConfigError> Problems::take_errors() {
  return sorted(std::move(errors_));
}

std::vector<ConfigWarning> Problems::take_warnings() {
  return sorted(std::move(warnings_));
}

std::string_view nearest(std::string_view word, std::span<const std::string> candidates) {
  constexpr size_t kLongestWord = 64;
  if (word.size() > kLongestWord) return {};
  std::string_view best;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    size_t distance = edit_distance(lowered(word), candidate);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates) {
  std::string_view found = nearest(word, candidates);
  return found.empty() ? "" : " (did you mean '" + std::string(found) + "'?)";
}

std::string in_quotes(std::string_view word) {
  return "'" + printable(word, 80) + "'";
}

}  // namespace veredus
