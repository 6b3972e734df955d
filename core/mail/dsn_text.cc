// What a report tells a person: what happened to whom, what it means, and what can be done.
#include "mail/dsn_text.h"

#include <algorithm>
#include <cstdlib>

#include "base/text.h"

namespace veredus {

namespace {

struct Advice {
  std::string_view code;  // subject and detail of an enhanced status; a subject alone covers its details
  std::string_view text;
};

// The first row that fits. For failures only.
constexpr Advice kAdvice[] = {
    {"1.1", "This address does not exist there. Check it for typing mistakes and send the message again."},
    {"1.2", "The part of the address behind the @ cannot receive mail. Check it for typing mistakes."},
    {"1.3", "The address is not written correctly. Correct it and send the message again."},
    {"1.6", "The recipient has moved and left no new address. Ask the recipient for it by other means."},
    {"1.8",
     "Your own address was refused because its domain cannot receive mail. Ask the people who run your mail "
     "service for help."},
    {"1.10", "This domain says of itself that it takes no mail. Check the address for typing mistakes."},
    {"1", "Something is wrong with an address. Check it for typing mistakes and send the message again."},
    {"2.1", "The mailbox exists but is closed for now. Try to reach the recipient by other means."},
    {"2.2", "The mailbox is full. The recipient must make room; try again later or by other means."},
    {"2.3",
     "The message is too large for this mailbox. Send a smaller one, or put attachments elsewhere and send a "
     "link."},
    {"2", "The mailbox cannot take the message now. Try again later or reach the recipient by other means."},
    {"3.4",
     "The message is too large for the recipient's mail service. Send a smaller one, or put attachments "
     "elsewhere and send a link."},
    {"3",
     "The recipient's mail service could not handle the message. Try again later; if it happens again, tell "
     "the recipient."},
    {"4.6",
     "The message went round in a circle between mail servers. Show this report to the people who run your "
     "mail service."},
    {"4.7",
     "The message waited too long. Try again later; if it happens again, reach the recipient by other "
     "means."},
    {"4",
     "The recipient's mail service could not be reached. Try again later; if it happens again, tell the "
     "recipient."},
    {"5.3", "Too many recipients at once. Send the message to fewer people at a time."},
    {"5",
     "The mail servers did not understand each other. Show this report to the people who run your mail "
     "service."},
    {"6.3",
     "The next server cannot take this kind of content. Send the message in plain ASCII or with another "
     "encoding."},
    {"6", "The form of the message was not accepted. Send it again as plain text."},
    {"7.1",
     "The recipient's mail service does not want this message. Reach the recipient by other means, or show "
     "this report to the people "
     "who run your mail service."},
    {"7",
     "The message was refused for reasons of policy or security. Show this report to the people who run your "
     "mail service."},
};
constexpr std::string_view kGeneral =
    "If you do not know why, show this report to the people who run your mail service.";

std::string_view advice_for(std::string_view status) {
  std::string_view code = status.size() > 2 ? status.substr(2) : std::string_view();
  std::string_view subject = code.substr(0, code.find('.'));
  for (const Advice& advice : kAdvice)
    if (advice.code == code || advice.code == subject) return advice.text;
  return kGeneral;
}

// Words of `text` on lines behind `indent`.
void add_wrapped(std::string& out, std::string_view indent, std::string_view text) {
  size_t width = 0;
  for (std::string_view word : split(text, ' ')) {
    if (word.empty()) continue;
    if (width > 0 && width + 1 + word.size() > 74) {
      out += "\r\n";
      width = 0;
    }
    out += width == 0 ? indent : std::string_view(" ");
    out += word;
    width += word.size() + (width == 0 ? indent.size() : 1);
  }
  if (width > 0) out += "\r\n";
}

bool all_are(const DsnReport& report, DsnAction action) {
  return std::all_of(report.recipients.begin(), report.recipients.end(),
                     [&](const DsnRecipient& recipient) { return recipient.action == action; });
}

bool any_is(const DsnReport& report, DsnAction action) {
  return std::any_of(report.recipients.begin(), report.recipients.end(),
                     [&](const DsnRecipient& recipient) { return recipient.action == action; });
}

std::string_view opening(const DsnReport& report) {
  if (all_are(report, DsnAction::delayed))
    return "Your message has not reached the recipients below yet. You need not send it again: delivery is "
           "still being tried.";
  if (any_is(report, DsnAction::failed))
    return "Your message could not be delivered to the recipients below. It will not be tried again for "
           "them.";
  if (all_are(report, DsnAction::relayed))
    return "You asked for a confirmation. Your message was passed on for the recipients below to a mail "
           "system that sends no "
           "confirmations, so this is the last you will hear unless it fails there.";
  return "You asked for a confirmation. Your message reached the recipients below.";
}

std::string happened(const DsnRecipient& recipient) {
  switch (recipient.action) {
    case DsnAction::delivered:
      return "The message was delivered.";
    case DsnAction::relayed:
      return "The message was passed on; no further confirmation can be expected.";
    case DsnAction::expanded:
      return "The message was passed on to the members of a list.";
    case DsnAction::delayed:
      return "The message waits for the next attempt.";
    case DsnAction::failed:
      break;
  }
  return recipient.expired ? "The message could not be delivered in time. The last problem was this." : "";
}

void add_reply(std::string& out, const DsnRecipient& recipient) {
  if (recipient.diagnostic.empty()) return;
  std::string said = printable(recipient.diagnostic);
  std::string who =
      recipient.remote.empty() ? "This mail system says: " : printable(recipient.remote, 300) + " said: ";
  add_wrapped(out, "    ", who + said);
}

void add_recipient(std::string& out, const DsnRecipient& recipient) {
  out += "\r\n  <" + recipient.address.text() + ">\r\n";
  size_t semicolon = recipient.orcpt.find(';');
  std::string first = semicolon == std::string::npos ? std::string() : recipient.orcpt.substr(semicolon + 1);
  if (!first.empty() && first != recipient.address.text()) out += "    (you wrote to <" + first + ">)\r\n";
  add_wrapped(out, "    ", happened(recipient));
  add_reply(out, recipient);
  if (recipient.action == DsnAction::failed)
    add_wrapped(out, "    ", recipient.expired ? advice_for("4.4.7") : advice_for(recipient.status));
  if (recipient.action == DsnAction::delayed && recipient.will_retry_until.time_since_epoch().count() != 0)
    add_wrapped(out, "    ", "It will be tried until " + rfc5322_date(recipient.will_retry_until) + ".");
}

constexpr char kHex[] = "0123456789ABCDEF";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f' ? ascii_lower(c) - 'a' + 10 : -1;
}

}  // namespace

std::string_view dsn_subject(const DsnReport& report) {
  if (any_is(report, DsnAction::failed)) return "Your message could not be delivered";
  if (any_is(report, DsnAction::delayed)) return "Your message is delayed";
  if (all_are(report, DsnAction::relayed)) return "Your message was passed on";
  return "Your message was delivered";
}

std::string dsn_explanation(const DsnReport& report) {
  std::string out;
  add_wrapped(out, "", "This is the mail system at " + report.hostname + ".");
  out += "\r\n";
  add_wrapped(out, "", opening(report));
  for (const DsnRecipient& recipient : report.recipients) add_recipient(out, recipient);
  out += "\r\n";
  add_wrapped(out, "",
              "The number of your message here is " + report.original_id.text() +
                  "; please name it when you ask for help.");
  add_wrapped(out, "",
              returns_body(report) ? "Your message is attached." : "The header of your message is attached.");
  return out;
}

std::string to_quoted_printable(std::string_view text) {
  std::string out;
  size_t width = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') {
      out += "\r\n";
      ++i;
      width = 0;
      continue;
    }
    bool space_at_end =
        (c == ' ' || c == '\t') && (i + 1 == text.size() || text[i + 1] == '\r' || text[i + 1] == '\n');
    bool plain = (c > 0x20 && c < 0x7F && c != '=') || ((c == ' ' || c == '\t') && !space_at_end);
    if (width + (plain ? 1 : 3) > 75) {
      out += "=\r\n";
      width = 0;
    }
    if (plain)
      out += c;
    else
      out += {'=', kHex[static_cast<unsigned char>(c) >> 4], kHex[c & 15]};
    width += plain ? 1 : 3;
  }
  return out;
}

std::string from_quoted_printable(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
      continue;
    }
    if (text.substr(i + 1, 2) == "\r\n") {
      i += 2;
      continue;
    }
    int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    int low = high >= 0 ? hex_value(text[i + 2]) : -1;
    if (low < 0) {
      out += '=';
      continue;
    }
    out += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return out;
}

}  // namespace veredus
