// Problems: collects every error and warning of a configuration, so that all are reported at once. Owned by
// one load.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/node.h"

namespace veredus {

struct ConfigError {
  std::string file;
  unsigned line = 0;  // from 1; 0 = no line
  unsigned column = 0;
  std::string text;
  std::string full()
      const;  // "conf.d/30-dkim.yaml:7:3: unknown setting 'selectr' (did you mean 'selector'?)"
};

using ConfigWarning = ConfigError;

class Problems {
 public:
  void error(const Place& place, std::string text);
  void warning(const Place& place, std::string text);
  bool any_error() const { return !errors_.empty(); }
  std::vector<ConfigError> take_errors();  // in order of file and line
  std::vector<ConfigWarning> take_warnings();

 private:
  std::vector<ConfigError> errors_;
  std::vector<ConfigWarning> warnings_;
};

// The candidate nearest to a mistyped word; empty if none is near.
std::string_view nearest(std::string_view word, std::span<const std::string> candidates);
// " (did you mean 'selector'?)" or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);
// A word from a file inside quotes, printable and not too long.
std::string in_quotes(std::string_view word);

}  // namespace veredus
