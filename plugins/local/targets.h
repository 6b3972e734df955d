// Targets: where an alias, a .forward or a list of addresses says that mail goes. Values only; shared by plugin and helper.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace local {

struct Target {
  enum class Kind : uint8_t {
    address,    // somebody@somewhere
    name,       // a user or an alias of this host
    pipe,       // a command, without the bar
    file,       // an absolute path; ends with / for a Maildir
    include,    // :include:/path, a list of targets
    refuse,     // :fail:, error:NNN with a code of 500 to 599
    defer,      // :defer:, error:NNN with a code of 400 to 499
    blackhole,  // :blackhole:, mail ends here
  };
  Kind kind = Kind::name;
  std::string text;
  bool exact = false;  // \name: the user's mailbox, whatever aliases and .forward say
  uint16_t code = 0;   // of refuse and defer
  bool operator==(const Target&) const = default;
};

struct TargetList {
  std::vector<Target> targets;
  std::vector<std::string> problems;  // what was left out, and why
};

constexpr size_t kMostTargets = 100'000, kLongestTarget = 4'096;

// The value of an alias: targets with commas between.
TargetList parse_targets(std::string_view text);
// A .forward or an :include: file: targets with commas and line ends between; lines that begin with # are comments.
TargetList parse_target_lines(std::string_view text);

std::string lowered(std::string_view text);
std::string_view trimmed(std::string_view text);
// local-part@domain that can stand in an envelope: printable ASCII, a quoted or dotted local part, a domain of labels or a literal.
bool is_address(std::string_view text);
// "odd name" in quotes is the name without them.
std::string unquoted(std::string_view text);

}  // namespace local
