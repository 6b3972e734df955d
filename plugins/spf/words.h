// What the plugin spf tells: replies, the Received-SPF field (RFC 7208 9.1). Values; any thread.
#pragma once

#include <string>
#include <string_view>

#include "mailauth/spf/spf.h"

namespace spf {

struct Told {
  std::string receiver, client, helo, sender;
};

// Printable ASCII, at most `most` octets.
std::string printable(std::string_view text, size_t most);

// A sentence on the result, for logs and comments.
std::string sentence(const mailauth::SpfAnswer& answer, std::string_view client);

// The template with {client}, {domain}, {identity} and {result} filled in; fits a reply.
std::string reply(std::string_view text, const mailauth::SpfAnswer& answer, std::string_view client, bool explanation);

// The value of the field, folded.
std::string received_spf(const mailauth::SpfAnswer& answer, const Told& told);

}  // namespace spf
