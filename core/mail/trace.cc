// Trace fields: composing and counting.
#include "mail/trace.h"

#include "base/text.h"

namespace veredus {

namespace {

// Names of the registry "Mail Transmission Types".
std::string with_name(const Envelope& envelope) {
  const Origin& origin = envelope.origin;
  if (origin.protocol == Protocol::local) return "local";
  if (origin.protocol == Protocol::internal) return "internal";
  if (origin.protocol == Protocol::smtp) return "SMTP";
  std::string out = origin.protocol == Protocol::lmtp ? "LMTP" : envelope.smtputf8 ? "SMTP" : "ESMTP";
  if (envelope.smtputf8) out.insert(0, "UTF8");
  if (!origin.tls.empty()) out += 'S';
  if (!origin.account.empty()) out += 'A';
  return out;
}

// What a client said of itself, safe inside a header: no parentheses or controls, bounded.
std::string harmless(std::string_view name) {
  std::string out = printable(name, 255);
  for (char& c : out)
    if (c == '(' || c == ')' || c == '\\' || c == ';' || c == ' ') c = '?';
  return out.empty() ? "unknown" : out;
}

std::string harmless_comment(std::string_view text) {
  std::string out = printable(text, 200);
  for (char& c : out)
    if (c == '(' || c == ')' || c == '\\') c = '?';
  return out;
}

}  // namespace

namespace {

// "from HELO (NAME [ADDRESS])"; nothing for what was made here.
std::string from_clause(const Envelope& envelope) {
  const Origin& origin = envelope.origin;
  const std::string* uid = origin.protocol == Protocol::local ? find_note(envelope.notes, "submission.uid") : nullptr;
  if (uid) return "from " + harmless(origin.helo) + " (uid " + harmless(*uid) + ")";
  if (origin.helo.empty() && !origin.client.ip) return {};
  std::string out = "from " + harmless(origin.helo);
  if (!origin.client.ip) return out;
  std::string name = origin.client_name.empty() ? std::string() : harmless(origin.client_name) + " ";
  return out + " (" + name + origin.client.ip.literal() + ")";
}

}  // namespace

std::string received_field(const Envelope& envelope, std::string_view hostname, bool hide_client) {
  std::string from = hide_client ? std::string() : from_clause(envelope);
  std::string out = "Received: " + from + (from.empty() ? "" : "\r\n\t");
  out.append("by ")
      .append(hostname)
      .append(" with ")
      .append(with_name(envelope))
      .append(" id ")
      .append(envelope.id.text());
  if (!envelope.origin.tls.empty()) out += "\r\n\t(" + harmless_comment(envelope.origin.tls) + ")";
  if (envelope.recipients.size() == 1) out += "\r\n\tfor <" + envelope.recipients[0].address.text() + ">";
  return out + "; " + rfc5322_date(envelope.arrived) + "\r\n";
}

std::string return_path_field(const Address& sender) {
  return "Return-Path: <" + sender.text() + ">\r\n";
}

size_t count_received(std::string_view block, size_t enough) {
  size_t count = 0;
  while (!block.empty() && count < enough) {
    if (block.starts_with("\r\n") || block.front() == '\n') break;
    if (istarts_with(block, "Received:")) ++count;
    size_t end = block.find('\n');
    if (end == std::string_view::npos) break;
    block.remove_prefix(end + 1);
  }
  return count;
}

}  // namespace veredus
