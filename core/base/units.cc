// Durations and sizes: parsing and printing.
#include "base/units.h"

#include "base/text.h"

namespace veredus {

namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};

constexpr Unit kDurations[] = {{"w", 604'800'000}, {"d", 86'400'000}, {"h", 3'600'000},
                               {"m", 60'000},      {"s", 1'000},      {"ms", 1}};
constexpr Unit kSizes[] = {{"GiB", 1ull << 30}, {"G", 1ull << 30}, {"MiB", 1ull << 20}, {"M", 1ull << 20},
                           {"KiB", 1ull << 10}, {"K", 1ull << 10}, {"B", 1},            {"", 1}};
constexpr uint64_t kMaxValue = 1ull << 53;

template <size_t N>
std::optional<uint64_t> parse_with(const Unit (&units)[N], std::string_view text) {
  size_t digits = text.find_first_not_of("0123456789");
  if (digits == std::string_view::npos) digits = text.size();
  auto number = parse_uint(text.substr(0, digits), kMaxValue);
  if (!number) return std::nullopt;
  for (const Unit& unit : units)
    if (text.substr(digits) == unit.name)
      return *number > kMaxValue / unit.factor ? std::nullopt : std::optional(*number * unit.factor);
  return std::nullopt;
}

}  // namespace

std::optional<Millis> parse_duration(std::string_view text) {
  auto value = parse_with(kDurations, text);
  if (!value) return std::nullopt;
  return Millis(static_cast<int64_t>(*value));
}

std::string format_duration(Millis value) {
  auto count = static_cast<uint64_t>(value.count());
  if (count == 0) return "0s";
  for (const Unit& unit : kDurations)
    if (count % unit.factor == 0) return std::to_string(count / unit.factor) + std::string(unit.name);
  return std::to_string(count) + "ms";
}

std::optional<uint64_t> parse_size(std::string_view text) { return parse_with(kSizes, text); }

std::string format_size(uint64_t value) {
  for (const Unit& unit : kSizes)
    if (unit.name.size() == 3 && value != 0 && value % unit.factor == 0)
      return std::to_string(value / unit.factor) + std::string(unit.name);
  return std::to_string(value);
}

}  // namespace veredus
