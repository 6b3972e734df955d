// What plugin and helper say to each other: named values, "name=LENGTH:OCTETS,". Both sides judge what they read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace local {

class Fields {
 public:
  static constexpr size_t kMost = 4'096;

  void add(std::string_view name, std::string_view value) { rows_.emplace_back(name, value); }
  // The first value of a name; empty when there is none.
  std::string_view get(std::string_view name) const;
  std::vector<std::string> all(std::string_view name) const;
  std::string text() const;
  static std::optional<Fields> parse(std::string_view text);

 private:
  std::vector<std::pair<std::string, std::string>> rows_;
};

// What became of one thing the helper did.
struct Report {
  uint16_t smtp = 451;
  uint8_t enhanced[3] = {4, 3, 0};
  std::string text;

  static Report of(uint16_t smtp, uint8_t subject, uint8_t detail, std::string text) {
    return {smtp, {static_cast<uint8_t>(smtp / 100), subject, detail}, std::move(text)};
  }
  bool done() const { return smtp / 100 == 2; }
  bool later() const { return smtp / 100 == 4; }
  void put(Fields& out) const;
  static Report take(const Fields& from);  // 451 for what makes no sense
};

// Printable ASCII of at most `most` octets, on one line.
std::string one_line(std::string_view text, size_t most);

}  // namespace local
