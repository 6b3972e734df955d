// From outcomes to the fields of a report, and from a composed report to a message.
#include "bounce/report.h"

#include "base/text.h"
#include "mail/trace.h"

namespace veredus {

namespace {

constexpr std::string_view kKindNames[] = {"failure", "delay", "success", "relayed", "expired"};

DsnAction action_of(ReportKind kind) {
  switch (kind) {
    case ReportKind::delay:
      return DsnAction::delayed;
    case ReportKind::success:
      return DsnAction::delivered;
    case ReportKind::relayed:
      return DsnAction::relayed;
    case ReportKind::failure:
    case ReportKind::expired:
      break;
  }
  return DsnAction::failed;
}

uint8_t class_of(ReportKind kind) {
  if (kind == ReportKind::failure) return 5;
  return kind == ReportKind::delay ? 4 : 2;
}

// Of the reply, where its class fits what is reported; else no more than is known.
std::string status_of(const Reply& reply, ReportKind kind) {
  if (kind == ReportKind::expired) return "4.4.7";
  uint8_t wanted = class_of(kind);
  EnhancedCode code = reply.enhanced;
  if (!code) code = EnhancedCode{wanted, 0, 0};
  code.cls = wanted;
  return code.text();
}

// ORCPT if it was given; else, when a hook rewrote the recipient, what the sender had written.
std::string first_address(const Recipient& recipient) {
  if (!recipient.orcpt.empty() || recipient.original.empty()) return recipient.orcpt;
  const std::string& text = recipient.original.text();
  return (is_ascii(text) ? "rfc822;" : "utf-8;") + text;
}

DsnRecipient describe(const Recipient& recipient, const ReportedRecipient& told, ReportKind kind, WallTime now) {
  DsnRecipient out;
  out.address = recipient.address;
  out.orcpt = first_address(recipient);
  out.action = action_of(kind);
  out.status = status_of(told.reply, kind);
  out.remote = told.remote;
  if (told.reply.code != 0) out.diagnostic = told.reply.joined();
  // A recipient that ran out of time, or waits, was tried some time before, if at all.
  if (kind != ReportKind::expired && kind != ReportKind::delay) out.last_attempt = now;
  out.will_retry_until = told.will_retry_until;
  out.expired = kind == ReportKind::expired;
  return out;
}

}  // namespace

std::string_view report_kind_name(ReportKind kind) { return kKindNames[static_cast<size_t>(kind)]; }

bool notify_wants(uint8_t notify, ReportKind kind) {
  if (notify & kNotifyNever) return false;
  switch (kind) {
    case ReportKind::success:
    case ReportKind::relayed:
      return (notify & kNotifySuccess) != 0;
    case ReportKind::delay:
      return notify == kNotifyDefault || (notify & kNotifyDelay) != 0;
    case ReportKind::failure:
    case ReportKind::expired:
      break;
  }
  return notify == kNotifyDefault || (notify & kNotifyFailure) != 0;
}

DsnReport describe_report(const Envelope& original, ReportKind kind, const std::vector<ReportedRecipient>& recipients,
                          const Settings& settings, WallTime now) {
  DsnReport out;
  out.hostname = settings.hostname;
  out.now = now;
  out.to = original.sender;
  out.original_id = original.id;
  out.envid = original.envid;
  out.arrived = original.arrived;
  out.ret = original.require_tls ? DsnReturn::headers : original.dsn_return;  // RFC 8689 5
  out.original_smtputf8 = original.smtputf8;
  for (const ReportedRecipient& told : recipients)
    out.recipients.push_back(describe(original.recipients[told.recipient], told, kind, now));
  return out;
}

Message make_report(DsnReport report, const Envelope& original) {
  DsnMessage composed = compose_dsn(report);
  Message out;
  Envelope& envelope = out.envelope;
  envelope.id = report.id;
  envelope.arrived = report.now;
  envelope.smtputf8 = composed.smtputf8;
  envelope.header_8bit = composed.header_8bit;
  envelope.content_8bit = composed.content_8bit;
  envelope.body = composed.content_8bit ? BodyType::eight_bit : BodyType::seven_bit;
  envelope.require_tls = original.require_tls;
  envelope.tenant = original.tenant;
  envelope.stream = original.stream;
  envelope.origin.protocol = Protocol::internal;
  Recipient recipient;
  recipient.address = std::move(report.to);
  envelope.recipients.push_back(std::move(recipient));
  out.content.head = received_field(envelope, report.hostname);
  out.content.memory = std::make_shared<const std::string>(std::move(composed.octets));
  return out;
}

}  // namespace veredus
