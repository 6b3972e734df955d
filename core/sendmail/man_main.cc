// Build tool: the manual page sendmail(1) from its template and the table of flags. Usage: veredus-sendmail-man TEMPLATE FILE
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "sendmail/flags.h"

namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '-') out += "\\-";
    else if (c == '\\') out += "\\e";
    else if (c == '\'') out += "\\(aq";
    else out += c;
  }
  return out;
}

std::string flags_text() {
  std::string out;
  for (const veredus::SendmailFlag& flag : veredus::sendmail_flags()) {
    bool apart = flag.value == veredus::SendmailFlag::Value::needed;
    out += ".TP\n.B \\-" + escaped(flag.letters);
    if (!flag.argument.empty()) out += std::string(apart ? " " : "") + "\\fI" + escaped(flag.argument) + "\\fR";
    out += "\n" + escaped(flag.doc) + "\n";
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fputs("usage: veredus-sendmail-man TEMPLATE FILE\n", stderr), 64;
  std::ifstream in(argv[1], std::ios::binary);
  std::string page{std::istreambuf_iterator<char>(in), {}};
  const std::string mark = "@FLAGS@\n";
  size_t at = page.find(mark);
  if (at == std::string::npos) return std::fputs("the template has no line @FLAGS@\n", stderr), 65;
  page.replace(at, mark.size(), flags_text());
  std::ofstream out(argv[2], std::ios::binary);
  out << page;
  out.close();
  return out ? 0 : 74;
}
