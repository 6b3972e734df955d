// Grammar of the parts of an address, shared by the envelope's and the header's parsers. Octets in, yes or no
// out; any thread. UTF-8 is let through here; is_clean_utf8 judges it.
#pragma once

#include <string>
#include <string_view>

namespace veredus::grammar {

bool is_atext(char c);  // RFC 5322 3.2.3, and octets above 127
bool is_dot_atom(std::string_view text);
bool is_quoted_string(std::string_view text);  // "..." with RFC 5321 quoted pairs, not empty inside
bool is_domain(std::string_view text);  // labels of letters, digits, underscores (hosts in real use have
                                        // them) and inner hyphens; at most 63 octets each
// Well-formed, and without what looks like nothing, turns the line or reads as a dot: C1 controls,
// separators, marks, full stops.
bool is_clean_utf8(std::string_view text);
std::string quoted(std::string_view plain);  // as a quoted string

}  // namespace veredus::grammar
