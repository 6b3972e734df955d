// A report is put together from four pieces: its own header, the explanation, the machine-readable status,
// what is returned.
#include "mail/dsn.h"

#include <algorithm>

#include "base/text.h"
#include "mail/dsn_text.h"
#include "mail/fixups.h"
#include "mail/headers.h"
#include "mail/xtext.h"

namespace veredus {

namespace {

constexpr size_t kMaxLine = 998;
constexpr std::string_view kActionNames[] = {"failed", "delayed", "delivered", "relayed", "expanded"};

bool is_set(WallTime time) {
  return time.time_since_epoch().count() != 0;
}

bool has_long_line(std::string_view text) {
  while (!text.empty()) {
    size_t feed = text.find('\n');
    if (std::min(feed, text.size()) > kMaxLine + 1) return true;
    if (feed == std::string_view::npos) break;
    text.remove_prefix(feed + 1);
  }
  return false;
}

// Fields of the status parts. A report that travels with SMTPUTF8 shows UTF-8 addresses as they are, another
// one in their ASCII form.
class StatusWriter {
 public:
  explicit StatusWriter(bool utf8) : utf8_(utf8) {}
  void field(std::string_view name, std::string_view value) {
    if (!value.empty()) out_ += folded_field(std::string(name) + ": " + std::string(value) + "\r\n", 900);
  }
  void date(std::string_view name, WallTime when) {
    if (is_set(when)) field(name, rfc5322_date(when));
  }
  void address(std::string_view name, std::string_view type, std::string_view text) {
    if (is_ascii(text)) return field(name, std::string(type) + "; " + printable(text, 800));
    field(name, "utf-8; " + (utf8_ ? std::string(text) : utf8_address_ascii(text)));
  }
  void empty_line() { out_ += "\r\n"; }
  std::string take() { return std::move(out_); }

 private:
  bool utf8_;
  std::string out_;
};

// Of "mx1.example.test [192.0.2.1]:25" the name; an address literal when there is none.
std::string_view host_of(std::string_view remote) {
  std::string_view name = remote.substr(0, remote.find(' '));
  return name.starts_with('[') ? name.substr(0, name.find(']') + 1) : name;
}

std::string_view usual_status(DsnAction action) {
  if (action == DsnAction::failed) return "5.0.0";
  return action == DsnAction::delayed ? "4.0.0" : "2.0.0";
}

void write_recipient(StatusWriter& out, const DsnRecipient& recipient) {
  out.empty_line();
  if (size_t semicolon = recipient.orcpt.find(';'); semicolon != std::string::npos)
    out.address("Original-Recipient", recipient.orcpt.substr(0, semicolon),
                recipient.orcpt.substr(semicolon + 1));
  out.address("Final-Recipient", "rfc822", recipient.address.text());
  out.field("Action", action_name(recipient.action));
  out.field("Status",
            recipient.status.empty() ? usual_status(recipient.action) : std::string_view(recipient.status));
  if (!recipient.remote.empty()) out.field("Remote-MTA", "dns; " + printable(host_of(recipient.remote), 255));
  if (!recipient.diagnostic.empty())
    out.field("Diagnostic-Code", "smtp; " + printable(recipient.diagnostic, 800));
  out.date("Last-Attempt-Date", recipient.last_attempt);
  if (recipient.action == DsnAction::delayed) out.date("Will-Retry-Until", recipient.will_retry_until);
}

std::string status_fields(const DsnReport& report, bool utf8) {
  StatusWriter out(utf8);
  out.field("Reporting-MTA", "dns; " + report.hostname);
  out.field("Original-Envelope-Id", printable(report.envid));
  out.date("Arrival-Date", report.arrived);
  for (const DsnRecipient& recipient : report.recipients) write_recipient(out, recipient);
  return out.take();
}

struct Part {
  std::string type;
  std::string encoding;  // empty = 7bit
  std::string octets;
};

// Text that may hold UTF-8 in the form that the report's way allows: as it is, or quoted-printable.
Part text_part(std::string type, std::string text) {
  if (is_ascii(text) && !has_long_line(text)) return {std::move(type), {}, std::move(text)};
  return {std::move(type), "quoted-printable", to_quoted_printable(text)};
}

Part explanation_part(const DsnReport& report) {
  std::string text = dsn_explanation(report);
  std::string type = std::string("text/plain; charset=") + (is_ascii(text) ? "us-ascii" : "utf-8");
  return text_part(std::move(type), std::move(text));
}

Part status_part(const DsnReport& report, bool utf8) {
  std::string text = status_fields(report, utf8);
  if (is_ascii(text)) return {"message/delivery-status", {}, std::move(text)};
  return {"message/global-delivery-status", "8bit", std::move(text)};
}

std::string header_lines(const DsnReport& report) {
  auto block = HeaderBlock::parse(report.original_header);
  if (!block) return report.original_header.substr(0, report.return_limit);
  std::string out(block->text().substr(0, block->size() - block->end_line().size()));
  if (!out.empty() && !out.ends_with('\n')) out += "\r\n";
  return out;
}

Part returned_part(const DsnReport& report) {
  std::string header = header_lines(report);
  bool utf8_header = !is_ascii(header) && is_utf8(header);
  if (!returns_body(report))
    return text_part(utf8_header ? "message/global-headers" : "text/rfc822-headers", std::move(header));
  Part out;
  out.type = utf8_header ? "message/global" : "message/rfc822";
  out.octets = std::move(header) + "\r\n" + report.original_body;
  if (!is_ascii(out.octets)) out.encoding = "8bit";
  return out;
}

std::string boundary_for(const DsnReport& report, const std::vector<Part>& parts) {
  for (unsigned attempt = 0;; ++attempt) {
    std::string boundary = "=_" + report.id.text() + "." + std::to_string(attempt);
    auto holds = [&](const Part& part) { return part.octets.find(boundary) != std::string::npos; };
    if (std::none_of(parts.begin(), parts.end(), holds)) return boundary;
  }
}

// The Message-ID reported on, for readers that show threads; only when it looks like one.
std::string original_message_id(const DsnReport& report) {
  auto block = HeaderBlock::parse(report.original_header);
  const HeaderField* field = block ? block->find("Message-ID") : nullptr;
  std::string value = field ? unfolded(block->value(*field)) : std::string();
  bool sound = value.size() > 2 && value.size() < 250 && value.front() == '<' &&
               value.find('>') == value.size() - 1 && printable(value) == value &&
               value.find(' ') == std::string::npos;
  return sound ? value : std::string();
}

std::string own_header(const DsnReport& report, const std::string& boundary) {
  std::string to = report.to.text();
  std::string out;
  auto field = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) out.append(name).append(": ").append(value).append("\r\n");
  };
  field("Date", rfc5322_date(report.now));
  field("From", "Mail Delivery System <MAILER-DAEMON@" + report.hostname + ">");
  field("To", "<" + to + ">");
  field("Subject", dsn_subject(report));
  field("Message-ID", message_id_of(report.id, report.hostname));
  std::string original = original_message_id(report);
  field("In-Reply-To", original);
  field("References", original);
  field("Auto-Submitted", "auto-replied");
  field("MIME-Version", "1.0");
  field("Content-Type", "multipart/report; report-type=delivery-status;\r\n\tboundary=\"" + boundary + "\"");
  return out;
}

bool any_8bit(const std::vector<Part>& parts) {
  return std::any_of(parts.begin(), parts.end(), [](const Part& part) { return part.encoding == "8bit"; });
}

std::string_view description(size_t part) {
  constexpr std::string_view kDescriptions[] = {"What happened", "Delivery report", "Your message"};
  return kDescriptions[part];
}

}  // namespace

std::string_view action_name(DsnAction action) {
  return kActionNames[static_cast<size_t>(action)];
}

bool returns_body(const DsnReport& report) {
  bool failed =
      std::any_of(report.recipients.begin(), report.recipients.end(),
                  [](const DsnRecipient& recipient) { return recipient.action == DsnAction::failed; });
  return failed && report.ret != DsnReturn::headers && report.original_size <= report.return_limit &&
         !has_long_line(report.original_header) && !has_long_line(report.original_body);
}

DsnMessage compose_dsn(const DsnReport& report) {
  DsnMessage out;
  out.smtputf8 = out.header_8bit = !is_ascii(report.to.text());
  std::vector<Part> parts = {explanation_part(report), status_part(report, out.smtputf8),
                             returned_part(report)};
  out.content_8bit = any_8bit(parts);
  std::string boundary = boundary_for(report, parts);
  out.octets = own_header(report, boundary);
  if (out.content_8bit) out.octets += "Content-Transfer-Encoding: 8bit\r\n";
  out.octets += "\r\nThis report has parts for people and for programs (MIME).\r\n";
  for (size_t i = 0; i < parts.size(); ++i) {
    out.octets += "\r\n--" + boundary + "\r\nContent-Description: " + std::string(description(i)) +
                  "\r\nContent-Type: " + parts[i].type;
    if (!parts[i].encoding.empty()) out.octets += "\r\nContent-Transfer-Encoding: " + parts[i].encoding;
    out.octets += "\r\n\r\n" + parts[i].octets;
  }
  out.octets += "\r\n--" + boundary + "--\r\n";
  return out;
}

}  // namespace veredus
