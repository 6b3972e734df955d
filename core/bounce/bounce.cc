// The story of one report: who wants it, what it returns, what hooks say of it, and its way into the spool.
#include "bounce/bounce.h"

#include "bounce/original.h"
#include "bounce/report.h"
#include "log/events.h"

namespace veredus {

BounceReporter::BounceReporter(Loop& loop, Spool& spool, Queue& queue, Runner& runner, Log& log, IdGenerator& ids,
                               SettingsPtr settings)
    : loop_(loop),
      spool_(spool),
      runner_(runner),
      log_(log),
      ids_(ids),
      settings_(std::move(settings)),
      injector_(loop, spool, queue, runner, log, ids, settings_) {}

void BounceReporter::suppressed(MessageId original, const Address& recipient, ReportKind kind,
                                std::string_view reason) {
  log_.write(events::kBounceSuppressed, {{"id", original.text()},
                                         {"recipient", recipient.text()},
                                         {"kind", report_kind_name(kind)},
                                         {"reason", reason}});
}

// A null sender belongs to a report already: with it a double bounce ends, by this log line.
std::vector<ReportedRecipient> BounceReporter::wanted(const Envelope& original, ReportKind kind,
                                                      std::vector<ReportedRecipient> recipients) {
  std::vector<ReportedRecipient> out;
  for (ReportedRecipient& told : recipients) {
    if (told.recipient >= original.recipients.size()) continue;
    const Recipient& recipient = original.recipients[told.recipient];
    if (original.sender.empty())
      suppressed(original.id, recipient.address, kind, "null sender");
    else if (!notify_wants(recipient.notify, kind))
      suppressed(original.id, recipient.address, kind, "notify");
    else
      out.push_back(std::move(told));
  }
  return out;
}

Task<Status> BounceReporter::report(std::shared_ptr<const Message> message, ReportKind kind,
                                    std::vector<ReportedRecipient> recipients) {
  const Envelope& original = message->envelope;
  std::vector<ReportedRecipient> told = wanted(original, kind, std::move(recipients));
  if (told.empty()) co_return Status();
  SettingsPtr settings = settings_;
  DsnReport described = describe_report(original, kind, told, *settings, loop_.clock().wall());
  described.id = ids_.next();
  Result<DsnReport> complete = co_await with_original(loop_, spool_, message, std::move(described));
  if (!complete) co_return complete.error();
  Message made = make_report(std::move(*complete), original);
  co_return co_await send(std::move(made), original.id, kind, told.size());
}

// Hooks may redirect the report, change it, keep it on hold, or say that nobody needs it.
Task<Status> BounceReporter::send(Message made, MessageId original, ReportKind kind, size_t told) {
  HookState state = runner_.begin();
  Decision decision;
  if (Runner::any(Stage::bounce, state)) {
    Subject subject;
    subject.origin = &made.envelope.origin;
    subject.envelope = &made.envelope;
    subject.content = &made.content;
    subject.state = report_kind_name(kind);
    decision = co_await runner_.run(Stage::bounce, subject, state);
  }
  const Verdict& verdict = decision.verdict;
  if (verdict.action == Action::tempfail) co_return fail(Errc::busy, verdict.rule + ": " + verdict.reply.joined());
  Address to = made.envelope.recipients[0].address;
  if (verdict.action == Action::discard) {
    suppressed(original, to, kind, verdict.rule);
    co_return Status();
  }
  Result<std::vector<Message>> edited = apply_decision(std::move(made), decision, ids_);
  if (!edited) co_return edited.error();
  if (edited->empty()) suppressed(original, to, kind, "no recipient is left");
  for (Message& each : *edited) {
    Result<std::vector<MessageId>> injected = co_await injector_.inject(std::move(each), state);
    if (!injected) co_return injected.error();
    for (MessageId id : *injected)
      log_.write(events::kBounceQueued, {{"id", id.text()},
                                         {"original", original.text()},
                                         {"kind", report_kind_name(kind)},
                                         {"to", to.text()},
                                         {"recipients", told}});
  }
  co_return Status();
}

}  // namespace veredus
