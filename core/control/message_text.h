// A stored message as `veredus queue list` and `veredus spool list` print it. Any thread.
#pragma once

#include <string>

#include "spool/spool.h"

namespace veredus {

std::string message_text(const StoredMessage& message);       // for people: a line, then one a recipient
std::string message_line_json(const StoredMessage& message);  // one object and a line end; the fields are fixed

}  // namespace veredus
