// Single values: the text of a setting checked against its row and turned into a typed value, and back. Any
// thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "config/schema.h"

namespace veredus {

// Each returns a sentence without the setting's name when the text does not fit.
Status read_scalar(const Setting& setting, std::string_view text, std::string& out);
Status read_scalar(const Setting& setting, std::string_view text, bool& out);
Status read_scalar(const Setting& setting, std::string_view text, uint64_t& out);
Status read_scalar(const Setting& setting, std::string_view text, uint32_t& out);
Status read_scalar(const Setting& setting, std::string_view text, uint16_t& out);
Status read_scalar(const Setting& setting, std::string_view text, Millis& out);
Status read_scalar(const Setting& setting, std::string_view text, IpAddress& out);
Status read_scalar(const Setting& setting, std::string_view text, Endpoint& out);
Status read_scalar(const Setting& setting, std::string_view text, Network& out);
Status read_scalar(const Setting& setting, std::string_view text, NextHop& out);
Status read_choice(const Setting& setting, std::string_view text, size_t& index);

std::string show_number(const Setting& setting, uint64_t value);  // sizes with their unit

// "a duration", "5d": for errors and the manual.
std::string_view type_name(Type type);
std::string_view type_example(Type type);
std::string type_hint(const Setting& setting);  // "a list of durations, 100ms to 30d"

bool is_domain(std::string_view text);   // "a.test"; labels of letters, digits, hyphens, underscores or UTF-8
bool is_pattern(std::string_view text);  // "a.test", ".a.test", "*"
bool is_name(std::string_view text);     // letters, digits, "-", "_", "."

}  // namespace veredus
