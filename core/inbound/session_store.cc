// From a judged message to its reply: every copy is stored before the 250, then queued and counted; or it is
// refused, or discarded.
#include "inbound/session.h"
#include "log/events.h"

namespace veredus {

namespace {

constexpr size_t kPiece = 65'536;

std::string_view protocol_name(Protocol protocol) {
  switch (protocol) {
    case Protocol::smtp:
      return "SMTP";
    case Protocol::esmtp:
      return "ESMTP";
    case Protocol::lmtp:
      return "LMTP";
    case Protocol::local:
      return "local";
    case Protocol::internal:
      return "internal";
  }
  return "";
}

}  // namespace

// 250 is said after the spool has answered for every copy, and only then. The queue hears of none before.
Task<void> Session::store(Copies copies) {
  co_await flush();
  if (copies.size() > 1) {
    Status copied = co_await own_bodies(copies);
    if (!copied) co_return not_stored(copies.front()->envelope, copied.error());
  }
  // The first copy has the message's own id and is the last to be stored: where it is found, all are there.
  for (size_t left = copies.size(); left > 0; --left) {
    Status stored = co_await context_.spool.store(context_.loop, copies[left - 1]);
    if (stored) continue;
    take_back(std::span(copies).subspan(left));
    co_return not_stored(copies.front()->envelope, stored.error());
  }
  if (submitter_ && submitter_->stored) submitter_->stored();
  for (const std::shared_ptr<Message>& copy : copies) {
    message_accepted(*copy);
    context_.queue.add(copy);
    tell(Stage::queued, &copy->envelope);
  }
  std::string id = copies.front()->envelope.id.text();
  for (const Transaction::Discarded& gone : transaction_->discarded) count_discarded(id, gone.address, gone.rule);
  ++messages_;
  machine_->accept("Ok: queued as " + id);
  end_transaction();
}

// A file of the spool belongs to one message: it goes with it.
Task<Status> Session::own_bodies(Copies& copies) {
  for (size_t i = 1; i < copies.size(); ++i) {
    Content& content = copies[i]->content;
    if (!content.file) continue;
    Result<std::shared_ptr<LargeBody>> own = co_await copy_body(content.file);
    if (!own) co_return own.error();
    content.file = std::move(*own);
  }
  co_return Status();
}

Task<Result<std::shared_ptr<LargeBody>>> Session::copy_body(std::shared_ptr<LargeBody> from) {
  Result<std::unique_ptr<BodyWriter>> writer = co_await context_.spool.create_body(context_.loop);
  if (!writer) co_return writer.error();
  for (uint64_t at = 0; at < from->size();) {
    Result<std::string> piece = co_await context_.spool.read_body(context_.loop, from, at, kPiece);
    if (!piece) co_return piece.error();
    if (piece->empty()) co_return fail(Errc::io, "a file of the spool is shorter than it was");
    at += piece->size();
    Status written = co_await (*writer)->append(std::move(*piece));
    if (!written) co_return written.error();
  }
  Result<std::shared_ptr<LargeBody>> copy = co_await (*writer)->finish();
  co_return copy;
}

// The client hears that nothing was accepted, so nothing may be delivered.
void Session::take_back(std::span<const std::shared_ptr<Message>> stored) {
  for (const std::shared_ptr<Message>& copy : stored) {
    std::vector<StateChange> changes(copy->envelope.recipients.size());
    for (uint32_t i = 0; i < changes.size(); ++i) {
      changes[i].id = copy->envelope.id;
      changes[i].recipient = i;
      changes[i].status.state = RecipientState::removed;
      changes[i].status.rule = "another copy could not be stored";
    }
    context_.spool.record(std::move(changes));
  }
}

void Session::message_accepted(const Message& message) {
  const Envelope& envelope = message.envelope;
  ++context_.counters.messages_accepted;
  context_.counters.recipients_accepted += envelope.recipients.size();
  context_.counters.octets_accepted += message.content.size();
  context_.log.write(events::kMessageAccepted, {{"id", envelope.id.text()},
                                                {"sender", envelope.sender.text()},
                                                {"recipients", envelope.recipients.size()},
                                                {"size", message.content.size()},
                                                {"client", client_text()},
                                                {"helo", origin_.helo},
                                                {"protocol", protocol_name(origin_.protocol)}});
  note_submission(envelope);
}

void Session::not_stored(const Envelope& envelope, const Error& error) {
  ++context_.counters.messages_not_stored;
  context_.log.write(events::kMessageNotStored,
                     {{"id", envelope.id.text()}, {"client", client_text()}, {"reason", error.text}});
  machine_->refuse(storage_failure(error));
  end_transaction();
}

void Session::refuse_message(const Envelope& envelope, Reply reply) {
  message_refused(envelope, reply, transaction_->rule);
  machine_->refuse(std::move(reply), transaction_->close);
  end_transaction();
}

void Session::message_refused(const Envelope& envelope, const Reply& reply, std::string_view rule) {
  ++context_.counters.messages_refused;
  refusal_logged_ = reply.permanent();
  context_.log.write(events::kMessageRefused, {{"id", envelope.id.text()},
                                               {"sender", envelope.sender.text()},
                                               {"client", client_text()},
                                               {"helo", origin_.helo},
                                               {"reply", reply.joined()},
                                               {"rule", rule}});
}

// The client hears 250; every recipient has its final state at once, with the rule that decided.
void Session::message_discarded(const Envelope& envelope) {
  std::string id = envelope.id.text();
  ++messages_;
  ++context_.counters.messages_discarded;
  context_.log.write(events::kMessageDiscarded,
                     {{"id", id}, {"sender", envelope.sender.text()}, {"rule", transaction_->rule}});
  for (const Recipient& recipient : envelope.recipients)
    count_discarded(id, recipient.address.text(), transaction_->rule);
  for (const Transaction::Discarded& gone : transaction_->discarded) count_discarded(id, gone.address, gone.rule);
  machine_->accept("Ok: queued as " + id);
  end_transaction();
}

void Session::count_discarded(std::string_view id, std::string_view address, std::string_view rule) {
  ++context_.counters.recipients_discarded;
  context_.log.write(events::kRecipientDiscarded, {{"id", id}, {"recipient", address}, {"rule", rule}});
}

}  // namespace veredus
