// MAIL and RCPT as the client writes them, with the parameters that envelope, content and the peer's extensions call for. Values; any thread.
#pragma once

#include <string>

#include "mail/envelope.h"
#include "smtp/client_machine.h"

namespace veredus {

struct MailNeeds {
  bool eight_bit = false;
  bool utf8 = false;
  bool require_tls = false;
};

void append_mail(std::string& out, const Message& message, const PeerFeatures& features, MailNeeds needs);
void append_rcpt(std::string& out, const Recipient& recipient, const PeerFeatures& features);
// No controls and no line ends: what was decoded from a damaged record must not become a second command.
bool fit_for_command(std::string_view text);

}  // namespace veredus
