// Small text helpers on octets; ASCII rules only, locale never consulted. Values without I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace veredus {

inline char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
std::string lowered(std::string_view text);
bool iequals(std::string_view a, std::string_view b);
bool istarts_with(std::string_view text, std::string_view prefix);
std::string_view trimmed(std::string_view text);  // spaces and tabs at both ends
std::vector<std::string_view> split(std::string_view text, char separator);
std::optional<uint64_t> parse_uint(std::string_view text, uint64_t max = UINT64_MAX);
bool is_ascii(std::string_view text);
bool is_utf8(std::string_view text);  // well-formed, no surrogates, no overlong forms
// Printable ASCII for replies and logs: every other octet becomes '?'; at most `max` octets.
std::string printable(std::string_view text, size_t max = 400);
// Edit distance, for "did you mean".
size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace veredus
