// Expansion: from a local part to what mail for it really is, through aliases and lists. Loops and fan-out are bounded. Blocking where its
// World is; knows no plugin.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "aliases.h"
#include "users.h"

namespace local {

// What an expansion may ask.
struct World {
  std::function<const Alias*(const std::string& name, std::string* source)> alias;  // in lower case; `source`: the file that says so
  std::function<UserAnswer(const std::string& name)> user;
  std::function<bool(const std::string& path, std::string& text, std::string& problem)> include;
  std::function<bool(std::string_view domain)> is_local;  // names at this domain, in lower case, are names of this host
  std::string separator = "+";                            // user+extension; empty: none
  size_t most_items = 10'000;
};

struct Item {
  enum class Kind : uint8_t { user, name, address, pipe, file, refuse, defer, blackhole };
  Kind kind = Kind::user;
  std::string text;       // user name in the system's form, a name nobody has, address, command, path, reply
  std::string extension;  // of a user
  bool exact = false;     // of a user: not through .forward
  bool itself = false;    // of a user: reached by its own name, so that it must not go through the queue again
  uint16_t code = 0;
  std::string source;     // of a pipe or file: the file of aliases that names it
  std::string owner;      // name of the last list on the way that has an owner-NAME
  bool operator==(const Item&) const = default;
};

struct Expansion {
  std::vector<Item> items;
  std::vector<std::string> problems;  // what was left out on the way
  bool known = true;                  // false: neither alias nor user
  bool looped = false;                // and nothing but the loop is there
  bool too_many = false;
  std::string later;                  // not empty: it cannot be told now, and why
};

Expansion expand(std::string_view local_part, const World& world);
// What a list of targets leads to, for `virtual` tables.
Expansion expand_targets(const TargetList& list, const World& world);
// "user", "ext" of "user+ext".
std::pair<std::string, std::string> split_extension(std::string_view local_part, std::string_view separator);

}  // namespace local
