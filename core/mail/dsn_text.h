// The parts of a report that people read: subject, explanation, advice. And quoted-printable. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "mail/dsn.h"

namespace veredus {

std::string_view dsn_subject(const DsnReport& report);
std::string dsn_explanation(const DsnReport& report);  // lines of at most 76 octets where words allow it,
                                                       // CRLF; UTF-8 only in addresses

std::string to_quoted_printable(std::string_view text);    // line ends are CRLF and stay
std::string from_quoted_printable(std::string_view text);  // malformed escapes stay as they are

}  // namespace veredus
