// Parsing of what people write on a command line (numbers, sizes, durations, percentages) and a few
// text helpers shared by veredus-load and veredus-sink. Pure functions, no state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace veredus::tools {

std::optional<std::uint64_t> parse_number(std::string_view text);

/// "4096", "40KiB", "5MiB", "1GiB".
std::optional<std::uint64_t> parse_size(std::string_view text);

/// "2", "0.5", "300ms", "30s", "2m": seconds.
std::optional<double> parse_seconds(std::string_view text);

std::optional<double> parse_decimal(std::string_view text);

bool starts_with_nocase(std::string_view text, std::string_view prefix);
std::vector<std::string_view> split(std::string_view text, char separator);
void append_number(std::string& out, std::uint64_t value);

}  // namespace veredus::tools
