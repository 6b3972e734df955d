// Renders the table of commands for veredus(1).
#include "control/command_manual.h"

#include "control/command.h"

namespace veredus {

namespace {

std::string roff(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\\') out += "\\e";
    else if (c == '-') out += "\\-";
    else if ((c == '.' || c == '\'') && out.empty()) (out += "\\&") += c;
    else out += c;
  }
  return out;
}

}  // namespace

std::string command_manual() {
  std::string out;
  for (const CommandDef& command : commands()) {
    out += ".TP\n.BR \"" + roff(command.name) + "\"";
    if (!command.usage.empty()) out += " \" " + roff(command.usage) + "\"";
    out += "\n" + roff(command.doc) + "\n";
  }
  return out;
}

}  // namespace veredus
