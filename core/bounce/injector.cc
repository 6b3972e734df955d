// A message of our own meets the same hooks as one from outside; only the answers have nobody to go to.
#include "bounce/injector.h"

#include <algorithm>

#include "base/text.h"
#include "hooks/edits.h"
#include "log/events.h"
#include "mail/headers.h"

namespace veredus {

namespace {

bool ends_here(Action action) {
  return action == Action::reject || action == Action::disconnect || action == Action::discard;
}

std::string_view header_of(const Message& message) {
  HeaderLimits boundless;
  boundless.octets = boundless.fields = SIZE_MAX;
  auto block = HeaderBlock::parse(*message.content.memory, boundless);
  return block ? block->text() : std::string_view();
}

// A header that hooks changed stands in the head, and what it was made of is skipped.
size_t body_begin(const Message& message) { return std::max<size_t>(message.content.skip, header_of(message).size()); }

// The header octets stay as they are; the body is what hooks made of it.
void replace_body(Message& message, std::string_view body) {
  size_t skip = message.content.skip;
  std::string_view before = *message.content.memory;
  std::string octets(before.substr(skip, body_begin(message) - skip));
  octets += body;
  message.envelope.content_8bit = !is_ascii(body);
  message.content.memory = std::make_shared<const std::string>(std::move(octets));
  message.content.skip = 0;
}

void hold(Envelope& envelope, const Verdict& verdict) {
  envelope.held = true;
  envelope.hold_reason = verdict.rule;
}

}  // namespace

Result<std::vector<Message>> apply_decision(Message message, const Decision& decision, IdGenerator& ids) {
  if (decision.verdict.action == Action::hold) hold(message.envelope, decision.verdict);
  std::vector<Message> out;
  if (decision.edits.empty()) {
    out.push_back(std::move(message));
    return out;
  }
  Result<std::vector<Message>> edited = apply_edits(std::move(message), decision.edits);
  if (!edited) return edited.error();
  for (Message& each : *edited) {
    if (each.envelope.recipients.empty()) continue;
    if (!each.envelope.id) each.envelope.id = ids.next();
    out.push_back(std::move(each));
  }
  return out;
}

void log_discarded(Log& log, const Envelope& envelope, std::string_view rule) {
  std::string id = envelope.id.text();
  log.write(events::kMessageDiscarded, {{"id", id}, {"sender", envelope.sender.text()}, {"rule", rule}});
  for (const Recipient& recipient : envelope.recipients)
    log.write(events::kRecipientDiscarded,
              {{"id", id}, {"recipient", recipient.address.text()}, {"rule", rule}});
}

struct Injector::Passage {
  HookState& state;
  std::vector<AuthResult> results;
};

Task<Result<std::vector<Message>>> Injector::judge(Stage stage, Message message, Passage& passage) {
  std::vector<Message> as_it_was;
  if (!Runner::any(stage, passage.state)) {
    as_it_was.push_back(std::move(message));
    co_return as_it_was;
  }
  Subject subject;
  subject.origin = &message.envelope.origin;
  subject.envelope = &message.envelope;
  subject.content = &message.content;
  subject.header = header_of(message);
  subject.auth_results = &passage.results;
  if (stage == Stage::body) {
    subject.chunk = std::string_view(*message.content.memory).substr(body_begin(message));
    subject.last = true;
  }
  Decision decision = co_await runner_.run(stage, subject, passage.state);
  if (decision.verdict.action == Action::tempfail)
    co_return fail(Errc::busy, decision.verdict.rule + ": " + decision.verdict.reply.joined());
  if (ends_here(decision.verdict.action)) {
    log_discarded(log_, message.envelope, decision.verdict.rule);
    co_return as_it_was;
  }
  if (decision.body) replace_body(message, *decision.body);
  take_auth_results(passage.results, decision.edits);
  Envelope before = message.envelope;
  Result<std::vector<Message>> edited = apply_decision(std::move(message), decision, ids_);
  if (edited.ok() && edited->empty()) log_discarded(log_, before, decision.verdict.rule);
  co_return edited;
}

// Copies that were split off at `message` are sealed each for itself.
Task<Result<std::vector<Message>>> Injector::prepare(Message message, HookState& state) {
  std::vector<Message> messages;
  messages.push_back(std::move(message));
  Passage passage{state, {}};
  state.begin_body();
  for (Stage stage : {Stage::headers, Stage::body, Stage::message, Stage::seal}) {
    std::vector<Message> judged;
    for (Message& each : messages) {
      if (stage == Stage::seal && (state.hooks->may() & kMayAuthResults) != 0) {
        Status added = add_auth_results(each, passage.results, settings_->hostname);
        if (!added) co_return added.error();
      }
      Result<std::vector<Message>> parts = co_await judge(stage, std::move(each), passage);
      if (!parts) co_return parts.error();
      for (Message& part : *parts) judged.push_back(std::move(part));
    }
    messages = std::move(judged);
  }
  co_return messages;
}

Task<Status> Injector::store(std::shared_ptr<const Message> message, HookState& state) {
  Status stored = co_await spool_.store(loop_, message);
  if (!stored) co_return stored;
  queue_.add(message);
  const Envelope& envelope = message->envelope;
  log_.write(events::kMessageInjected, {{"id", envelope.id.text()},
                                        {"sender", envelope.sender.text()},
                                        {"recipients", envelope.recipients.size()},
                                        {"size", message->content.size()}});
  if (!Runner::any(Stage::queued, state)) co_return Status();
  Subject subject;
  subject.origin = &envelope.origin;
  subject.envelope = &envelope;
  subject.content = &message->content;
  runner_.tell(Stage::queued, subject, state);
  co_return Status();
}

Task<Result<std::vector<MessageId>>> Injector::inject(Message message, HookState& state) {
  Result<std::vector<Message>> prepared = co_await prepare(std::move(message), state);
  if (!prepared) co_return prepared.error();
  std::vector<MessageId> out;
  for (Message& each : *prepared) {
    MessageId id = each.envelope.id;
    auto frozen = std::make_shared<const Message>(std::move(each));
    Status stored = co_await store(std::move(frozen), state);
    if (!stored) co_return stored.error();
    out.push_back(id);
  }
  co_return out;
}

}  // namespace veredus
