// Address: a mailbox of the envelope (RFC 5321 4.1.2, RFC 6531), kept as it was spelled. The null sender is
// empty. Values; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace veredus {

class Address {
 public:
  Address() = default;
  // Strict: dot-atom or quoted local part, domain or address literal; `postmaster` alone has no domain. No
  // controls, no NUL.
  static Result<Address> parse(std::string_view text, bool allow_utf8 = true);
  static Address make(std::string_view local, std::string_view domain);  // parts already known to be legal

  bool empty() const { return text_.empty(); }  // the null sender
  const std::string& text() const { return text_; }
  std::string_view local() const;   // as spelled, quotes included
  std::string_view domain() const;  // as spelled, brackets of a literal included; empty when there is none
  std::string key() const;  // for "the same address twice": needless quotes removed, domain in lower case
  bool operator==(const Address&) const = default;

 private:
  std::string text_;
};

// The argument of MAIL and RCPT at the start of `text`: "<...>", a source route ignored, "<>" only if
// `allow_null`. What follows goes to `rest` (empty, or it begins with a space); without `rest` nothing may
// follow.
Result<Address> parse_path(std::string_view text, bool allow_null, std::string_view* rest = nullptr,
                           bool allow_utf8 = true);

std::string quoted_local(
    std::string_view local);  // a name (of a user, say) as a local part: quoted when it needs to be
// An address as users of this host write it: with `domain` where it has none. An "@" in quotes is part of a name.
std::string with_domain(std::string_view address, std::string_view domain);
bool is_domain_name(std::string_view text);  // a domain as an address may have it, no literal

}  // namespace veredus
