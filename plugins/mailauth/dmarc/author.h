// Author: whose mail a message claims to be: the domain in its From field (RFC 5322 3.6.2, RFC 6854, RFC 9989 5.3.1). Read strictly: what
// two programs may read in two ways is `unreadable`, or has several domains. Values; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mailauth {

enum class AuthorState {
  one,         // one domain, whatever number of mailboxes it has
  several,     // mailboxes of several domains
  absent,      // no From field
  repeated,    // several From fields
  no_address,  // a From field without a mailbox: an empty group
  literal,     // an address in brackets, no domain
  unreadable,
};
std::string_view author_word(AuthorState state);  // "one", "several", ...

struct Author {
  AuthorState state = AuthorState::absent;
  std::vector<std::string> domains;  // in A-labels and lower case, each once, in the order of the field
  std::string problem;               // a sentence, when the state is not `one`
};

// `values`: of all From fields, as they stand in the message. One with more than 16 KiB, or 100 mailboxes, is unreadable.
Author read_author(const std::vector<std::string_view>& values);

// Of a whole message, or of its header block.
Author author_of_message(std::string_view message);

// A name as DNS has it: U-labels to A-labels, lower case, no dot at the end. Empty: it is no domain.
std::string domain_of(std::string_view text);

}  // namespace mailauth
