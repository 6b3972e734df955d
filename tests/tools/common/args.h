// A command line declared as a table: each row names an option, its value, one line of help and what to do
// with it. `--help` is printed from the same table, so that no option is undocumented.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace veredus::tools {

struct Option {
  std::string name;   // "--messages"
  std::string value;  // "N", empty for a switch
  std::string help;
  std::function<bool(std::string_view)> apply;  // false: the value makes no sense
};

enum class ArgsOutcome { kRun, kHelp, kError };

/// Accepts "--name value" and "--name=value". Errors and help go to stderr and stdout.
ArgsOutcome parse_args(int argc, char** argv, std::string_view summary, const std::vector<Option>& options);

Option flag(std::string name, std::string help, bool& target, bool value = true);
Option number(std::string name, std::string help, std::uint64_t& target);
Option size_option(std::string name, std::string help, std::uint64_t& target);
Option seconds(std::string name, std::string help, double& target);
Option decimal(std::string name, std::string value, std::string help, double& target);
Option text(std::string name, std::string value, std::string help, std::string& target);

}  // namespace veredus::tools
