// Tokens of an address field (RFC 5322 3.2, 3.4): comments and white space gone, everything else seen. Views into the text; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mailauth {

struct AddressToken {
  enum class Kind { atom, quoted, literal, special, end };  // special: one of < > @ , ; : .
  Kind kind = Kind::end;
  std::string_view text;  // quoted, literal: with what encloses them
  bool is(char c) const { return kind == Kind::special && text.front() == c; }
  bool word() const { return kind == Kind::atom || kind == Kind::quoted; }
};

// Nothing: the text has what no address field has, named in `problem`. The last token is `end`.
std::optional<std::vector<AddressToken>> address_tokens(std::string_view text, std::string& problem);

}  // namespace mailauth
