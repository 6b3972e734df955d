// Implementation of the command-line parsing helpers. No locale is consulted: the C locale is never changed.
#include "common/text.h"

#include <array>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <utility>

namespace veredus::tools {

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> parse_decimal(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= 0)) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::uint64_t>, 6> kUnits{{{"GiB", 1ULL << 30},
                                                                                     {"MiB", 1ULL << 20},
                                                                                     {"KiB", 1ULL << 10},
                                                                                     {"G", 1ULL << 30},
                                                                                     {"M", 1ULL << 20},
                                                                                     {"K", 1ULL << 10}}};
  for (const auto& [unit, factor] : kUnits) {
    if (!text.ends_with(unit)) continue;
    const auto value = parse_number(text.substr(0, text.size() - unit.size()));
    if (!value || *value > (1ULL << 40) / factor) return std::nullopt;
    return *value * factor;
  }
  return parse_number(text);
}

std::optional<double> parse_seconds(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, double>, 4> kUnits{
      {{"ms", 0.001}, {"s", 1.0}, {"m", 60.0}, {"h", 3600.0}}};
  for (const auto& [unit, factor] : kUnits) {
    if (!text.ends_with(unit)) continue;
    const auto value = parse_decimal(text.substr(0, text.size() - unit.size()));
    if (!value) return std::nullopt;
    return *value * factor;
  }
  return parse_decimal(text);
}

bool starts_with_nocase(std::string_view text, std::string_view prefix) {
  if (text.size() < prefix.size()) return false;
  for (std::size_t i = 0; i < prefix.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(text[i])) !=
        std::tolower(static_cast<unsigned char>(prefix[i]))) {
      return false;
    }
  }
  return true;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

void append_number(std::string& out, std::uint64_t value) {
  std::array<char, 20> digits{};
  const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out.append(digits.data(), result.ptr);
}

}  // namespace veredus::tools
