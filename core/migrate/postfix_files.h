// The files of a Postfix as values: main.cf, master.cf, maps as text, references to maps. Parsers without I/O; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace veredus::migrate {

// Where something stands; told to people.
struct Origin {
  std::string file;
  unsigned line = 0;
  std::string text() const { return line ? file + ":" + std::to_string(line) : file; }
};

struct Parameter {
  std::string name, value;
  Origin at;
};

// A row of master.cf. Overrides are its -o NAME=VALUE.
struct Service {
  std::string name, type, command;
  std::vector<std::string> arguments;  // after the command, as they stand
  std::vector<Parameter> overrides;
  Origin at;
  const Parameter* override_of(std::string_view parameter) const;
};

struct MapEntry {
  std::string key, value;
  Origin at;
};

// hash:/etc/postfix/transport; without a type it is a value of its own, such as a domain or a path.
struct MapReference {
  std::string type, argument;
  std::string text() const { return type.empty() ? argument : type + ":" + argument; }
};

constexpr size_t kMostEntries = 1'000'000;

struct LogicalLine {
  unsigned line = 0;  // of its beginning
  std::string text;   // continuations joined
};
// Lines that begin with white space continue the one before; empty lines and comments are nothing, in between too.
std::vector<LogicalLine> logical_lines(std::string_view text);

std::vector<Parameter> parse_main(std::string_view text, const std::string& file, std::vector<LogicalLine>& broken);
std::vector<Service> parse_master(std::string_view text, const std::string& file, std::vector<LogicalLine>& broken);
std::vector<MapEntry> parse_map(std::string_view text, const std::string& file);

// Parted by commas and white space; what stands in braces stays whole.
std::vector<std::string> split_words(std::string_view text);
MapReference parse_reference(std::string_view word);
// inline:{ a = b, { c = d e } }
std::vector<MapEntry> parse_inline(std::string_view argument, const Origin& at);

}  // namespace veredus::migrate
