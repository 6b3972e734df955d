// A plugin's shared object: its symbols, its description, and what is wrong with them. Runs on the thread that asks; load() runs the object's
// constructors, so only in a child process.
#pragma once

#include <veredus/plugin.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace veredus::ptest {

struct Symbols {
  std::vector<std::string> exported, undefined;
};
Result<Symbols> read_symbols(const std::string& path);
std::vector<std::string> symbol_problems(const Symbols& symbols);

Result<const vrd_plugin*> load(const std::string& path);
std::vector<std::string> description_problems(const vrd_plugin* plugin);
std::string description_text(const vrd_plugin* plugin);  // all of it, to see whether it has changed

}  // namespace veredus::ptest
