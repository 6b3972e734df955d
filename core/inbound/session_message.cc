// From the first octet of content to the 250: collect, judge, store, queue.
#include "inbound/edits.h"
#include "inbound/session.h"
#include "log/events.h"
#include "mail/trace.h"

namespace veredus {

namespace {

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

Reply too_many_hops() {
  return {550, {5, 4, 6}, {"Too many Received fields, the message is in a loop"}};
}

}  // namespace

Task<void> Session::on_content(std::string octets) {
  co_await flush();
  co_await transaction_->append(std::move(octets));
}

// Loops are found here, from the header block alone. false: hooks want to see it.
bool Session::headers_now(const HeadersDone&) {
  transaction_->header_ends_here();
  size_t hops = settings_->limits.received_hops;
  if (hops > 0 && transaction_->refusal.code == 0 &&
      count_received(transaction_->header(), hops + 1) > hops) {
    context_.log.write(events::kMessageLoop, {{"id", transaction_->id.text()}, {"hops", hops}});
    transaction_->refusal = too_many_hops();
    transaction_->drop();
  }
  return transaction_->refusal.code != 0 || transaction_->discard || !hooked(Stage::headers);
}

Task<void> Session::on_headers() {
  Content content;
  content.head = transaction_->header();
  Subject shown = subject();
  shown.content = &content;
  Ruling ruling = co_await consult(Stage::headers, shown);
  if (settle(ruling)) co_return;
  transaction_->refusal = std::move(ruling.refusal);
  transaction_->rule = std::move(ruling.rule);
  transaction_->drop();
}

Task<void> Session::on_end(AskEnd end) {
  auto message = std::make_shared<Message>();
  Envelope& envelope = message->envelope;
  envelope = std::move(machine_->envelope());
  envelope.content_8bit = end.content_8bit;
  envelope.header_8bit = end.header_8bit;
  Reply refusal = end.problem.code != 0 ? std::move(end.problem) : transaction_->refusal;
  if (refusal.code == 0) {
    Result<Content> content = co_await transaction_->finish();
    if (!content) co_return not_stored(envelope, content.error());
    message->content = std::move(*content);
    message->content.head = received_field(envelope, settings_->hostname);
    refusal = co_await ask_message_hooks(*message);
  }
  if (refusal.code != 0) co_return refuse_message(envelope, std::move(refusal));
  if (transaction_->discard || envelope.recipients.empty()) co_return message_discarded(envelope);
  co_await store(std::move(message));
}

Task<Reply> Session::ask_message_hooks(Message& message) {
  for (Stage stage : {Stage::message, Stage::seal}) {
    if (!hooked(stage) || transaction_->discard) continue;
    Subject shown = subject();
    shown.envelope = &message.envelope;
    shown.content = &message.content;
    Ruling ruling = co_await consult(stage, shown);
    if (!settle(ruling)) co_return std::move(ruling.refusal);
    Status edited =
        apply_edits(message, transaction_->kept_header(message.content), ruling.edits, stage == Stage::seal);
    if (!edited) {
      context_.log.write(events::kHookFault,
                         {{"id", message.envelope.id.text()}, {"reason", edited.error().text}});
      co_return Reply{451, {4, 3, 0}, {"The message could not be processed, try again later"}};
    }
  }
  message.envelope.held = message.envelope.held || transaction_->hold;
  if (transaction_->hold) message.envelope.hold_reason = transaction_->rule;
  co_return Reply();
}

// 250 is said after the spool has answered, and only then.
Task<void> Session::store(std::shared_ptr<Message> message) {
  co_await flush();
  std::shared_ptr<const Message> frozen = std::move(message);
  Status stored = co_await context_.spool.store(context_.loop, frozen);
  if (!stored) co_return not_stored(frozen->envelope, stored.error());
  message_accepted(*frozen);
  context_.queue.add(frozen);
  tell(Stage::queued, &frozen->envelope);
  machine_->accept("Ok: queued as " + frozen->envelope.id.text());
  end_transaction();
}

void Session::message_accepted(const Message& message) {
  const Envelope& envelope = message.envelope;
  ++messages_;
  ++context_.counters.messages_accepted;
  context_.counters.recipients_accepted += envelope.recipients.size();
  context_.counters.octets_accepted += message.content.size();
  context_.log.write(events::kMessageAccepted, {{"id", envelope.id.text()},
                                                {"sender", envelope.sender.text()},
                                                {"recipients", envelope.recipients.size()},
                                                {"size", message.content.size()},
                                                {"client", origin_.client.text()},
                                                {"helo", origin_.helo},
                                                {"protocol", protocol_name(origin_.protocol)}});
}

void Session::not_stored(const Envelope& envelope, const Error& error) {
  ++context_.counters.messages_not_stored;
  context_.log.write(events::kMessageNotStored,
                     {{"id", envelope.id.text()}, {"client", origin_.client.text()}, {"reason", error.text}});
  machine_->refuse(storage_failure(error));
  end_transaction();
}

void Session::refuse_message(const Envelope& envelope, Reply reply) {
  message_refused(envelope, reply, transaction_->rule);
  machine_->refuse(std::move(reply));
  end_transaction();
}

void Session::message_refused(const Envelope& envelope, const Reply& reply, std::string_view rule) {
  ++context_.counters.messages_refused;
  refusal_logged_ = reply.permanent();
  context_.log.write(events::kMessageRefused, {{"id", envelope.id.text()},
                                               {"sender", envelope.sender.text()},
                                               {"client", origin_.client.text()},
                                               {"helo", origin_.helo},
                                               {"reply", reply.joined()},
                                               {"rule", rule}});
}

// The client hears 250; every recipient has its final state at once, with the rule that decided.
void Session::message_discarded(const Envelope& envelope) {
  std::string id = envelope.id.text();
  ++messages_;
  ++context_.counters.messages_discarded;
  context_.counters.recipients_discarded += envelope.recipients.size();
  context_.log.write(events::kMessageDiscarded,
                     {{"id", id}, {"sender", envelope.sender.text()}, {"rule", transaction_->rule}});
  for (const Recipient& recipient : envelope.recipients)
    context_.log.write(events::kRecipientDiscarded,
                       {{"id", id}, {"recipient", recipient.address.text()}, {"rule", transaction_->rule}});
  machine_->accept("Ok: queued as " + id);
  end_transaction();
}

}  // namespace veredus
