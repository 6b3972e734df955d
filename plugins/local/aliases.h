// Aliases: what an aliases(5) file says, as values. The text is read directly; there is no data base to rebuild.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "targets.h"

namespace local {

struct Alias {
  std::vector<Target> targets;
  unsigned line = 0;
};

class Aliases {
 public:
  static constexpr size_t kMostOctets = 64u << 20;

  static Aliases parse(std::string_view text);
  // A name in lower case; null: there is no such alias.
  const Alias* find(const std::string& name) const;
  // Does some alias lead to this?
  bool names(Target::Kind kind, std::string_view text) const;
  size_t size() const { return entries_.size(); }
  const std::vector<std::string>& problems() const { return problems_; }  // "line 7: ..."

 private:
  void add(std::string_view text, unsigned line);
  void problem(unsigned line, const std::string& text);

  std::unordered_map<std::string, Alias> entries_;
  std::vector<std::string> problems_;
};

}  // namespace local
