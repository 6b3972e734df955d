// Macro strings of SPF records (RFC 7208 7): checked when a record is read, expanded when a term is evaluated. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mailauth::spf {

// What the letters stand for. Owned by the caller.
struct MacroValues {
  std::string_view sender, local, sender_domain;  // s l o
  std::string_view domain;                        // d, of the record
  std::string_view ip;                            // i: IPv6 as 32 nibbles with dots
  std::string_view family;                        // v: "in-addr" or "ip6"
  std::string_view helo;                          // h
  std::string_view validated;                     // p: a name of the client, or "unknown"
  std::string_view readable_ip, receiver, time;   // c r t, in explanations only
};

enum class MacroUse {
  domain,       // of a mechanism, `redirect` or `exp`: no c, r, t
  modifier,     // of a modifier that nobody knows: all letters
  explanation,  // text for people: all letters, and spaces
};

// What is wrong with a macro string, as the end of a sentence; empty: nothing.
std::string macro_problem(std::string_view text, MacroUse use);

// As macro_problem() for a domain-spec: it must end in ".LABEL" with a label that no address has, or in a macro.
std::string domain_spec_problem(std::string_view text);

// Whether the expansion needs %{p}, for which DNS must be asked.
bool wants_validated_name(std::string_view text);

// Of a string without a problem. Nothing: it is longer than `most` octets, or there are more than 256 macros in it.
std::optional<std::string> expanded(std::string_view text, const MacroValues& values, size_t most);

// A domain-spec as a name to ask for: no dot at the end, labels removed from the left until it has 253 octets. Nothing: it is no name that DNS
// can have (a label is empty or longer than 63 octets), or its expansion is out of bounds.
std::optional<std::string> target_name(std::string_view spec, const MacroValues& values);

}  // namespace mailauth::spf
