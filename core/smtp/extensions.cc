// The EHLO list.
#include "smtp/extensions.h"

#include <vector>

namespace veredus {

std::string extension_list(const ServerOptions& options, bool tls, bool authenticated) {
  std::vector<std::string> lines{options.hostname, "PIPELINING",
                                 "SIZE " + std::to_string(options.message_size)};
  if (options.starttls && !tls) lines.emplace_back("STARTTLS");
  if (!options.auth_mechanisms.empty() && !authenticated) {
    std::string auth = "AUTH";
    for (const std::string& mechanism : options.auth_mechanisms) auth += ' ' + mechanism;
    lines.push_back(std::move(auth));
  }
  for (const char* fixed : {"ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"})
    lines.emplace_back(fixed);
  if (tls) lines.emplace_back("REQUIRETLS");
  if (options.vrfy) lines.emplace_back("VRFY");
  if (options.xclient) lines.emplace_back("XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT");
  if (options.local_dialogue) lines.emplace_back("XLOCAL");
  lines.emplace_back("HELP");
  return Reply{250, {}, std::move(lines)}.wire();
}

}  // namespace veredus
