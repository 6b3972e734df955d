// HeaderBlock: the fields of a message, each a view into the octets it was read from. Any thread.
#pragma once

#include <string_view>
#include <vector>

namespace mailauth {

struct Field {
  std::string_view name;   // without the colon and white space before it
  std::string_view value;  // after the colon: folded, with its leading space, without the last line end
  std::string_view whole;  // name, colon, value as they stand, without the last line end
};

// Case of letters does not matter in names of fields.
bool same_name(std::string_view a, std::string_view b);

struct HeaderBlock {
  std::vector<Field> fields;  // from the top
  size_t body = 0;            // where the body begins: the octet after the empty line, or the end
};

// Reads to the empty line. Lines end with CRLF; a bare LF counts as a line end too. A line that is no field, and not the continuation of one, ends
// the block: the body begins there. Fields of the message as the host sees them: the host says the same.
HeaderBlock read_header(std::string_view message);

// Whether a line begins with this name and a colon: a quick look, before a header is read.
bool may_have_field(std::string_view header, std::string_view name);

}  // namespace mailauth
