// Command lines of a transaction.
#include "smtp/client_commands.h"

#include <algorithm>

#include "base/text.h"
#include "mail/xtext.h"

namespace veredus {

namespace {

void append_notify(std::string& out, uint8_t notify) {
  if (notify == kNotifyDefault) return;
  out += " NOTIFY=";
  if (notify & kNotifyNever) {
    out += "NEVER";
    return;
  }
  char separator = '\0';
  auto word = [&](uint8_t bit, std::string_view name) {
    if (!(notify & bit)) return;
    if (separator) out += separator;
    out += name;
    separator = ',';
  };
  word(kNotifySuccess, "SUCCESS");
  word(kNotifyFailure, "FAILURE");
  word(kNotifyDelay, "DELAY");
}

// An address beyond ASCII has no xtext form; RFC 6533 gives it one only under the type utf-8, which any relay may leave out.
void append_orcpt(std::string& out, const Recipient& recipient) {
  std::string rewritten = recipient.original.empty() ? std::string() : "rfc822;" + recipient.original.text();
  const std::string& orcpt = recipient.orcpt.empty() ? rewritten : recipient.orcpt;
  size_t semicolon = orcpt.find(';');
  if (semicolon == orcpt.npos || !is_ascii(orcpt)) return;
  std::string type = orcpt.substr(0, semicolon);
  if (!fit_for_command(type) || type.find_first_of(" +=") != type.npos) return;
  out += " ORCPT=" + type + ';' + encode_xtext(std::string_view(orcpt).substr(semicolon + 1));
}

}  // namespace

bool fit_for_command(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

void append_mail(std::string& out, const Message& message, const PeerFeatures& features, MailNeeds needs) {
  const Envelope& envelope = message.envelope;
  out += "MAIL FROM:<";
  out += envelope.sender.text();
  out += '>';
  if (features.size_offered) out += " SIZE=" + std::to_string(message.content.size());
  if (features.eight_bit && needs.eight_bit) out += " BODY=8BITMIME";
  if (features.smtputf8 && needs.utf8) out += " SMTPUTF8";
  if (needs.require_tls) out += " REQUIRETLS";
  if (features.dsn) {
    if (envelope.dsn_return == DsnReturn::full) out += " RET=FULL";
    if (envelope.dsn_return == DsnReturn::headers) out += " RET=HDRS";
    if (!envelope.envid.empty()) out += " ENVID=" + encode_xtext(envelope.envid);
  }
  out += "\r\n";
}

void append_rcpt(std::string& out, const Recipient& recipient, const PeerFeatures& features) {
  out += "RCPT TO:<";
  out += recipient.address.text();
  out += '>';
  if (features.dsn) {
    append_notify(out, recipient.notify);
    append_orcpt(out, recipient);
  }
  out += "\r\n";
}

}  // namespace veredus
