// From the first octet of content to its end: collect, then judge with hooks, and split where they want it.
#include <algorithm>

#include "base/text.h"
#include "hooks/edits.h"
#include "inbound/session.h"
#include "log/events.h"
#include "mail/auth_results.h"
#include "mail/headers.h"
#include "mail/trace.h"

namespace veredus {

namespace {

constexpr std::string_view kTlsRequiredName = "TLS-Required", kResultsName = "Authentication-Results";

Reply too_many_hops() {
  return {550, {5, 4, 6}, {"Too many Received fields, the message is in a loop"}};
}
Reply not_processed() {
  return {451, {4, 3, 0}, {"The message could not be processed, try again later"}};
}

bool has_line(std::string_view text, std::string_view beginning) {
  while (!istarts_with(text, beginning)) {
    size_t end = text.find('\n');
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
  return true;
}

// RFC 8689 5: the sender would rather have the message delivered than protected. Most headers are not taken apart for that.
bool wants_no_tls(std::string_view header) {
  if (!has_line(header, kTlsRequiredName)) return false;
  auto block = HeaderBlock::parse(header);
  const HeaderField* field = block ? block->find(kTlsRequiredName) : nullptr;
  return field && iequals(unfolded(block->value(*field)), "no");
}

// RFC 8601 5: a field that claims to be ours goes, whoever reads it later and whether or not we add one.
bool has_forged_results(std::string_view header, std::string_view authserv_id) {
  return has_line(header, kResultsName) && !claimed_results(header, authserv_id).empty();
}

bool concerns_header(const Edit& edit) { return right_for(edit) == kMayHeaders; }

}  // namespace

Task<void> Session::on_content(std::string octets) {
  co_await flush();
  if (transaction_->streams) {
    std::string gathered = std::exchange(transaction_->chunk, std::move(octets));
    co_await pass_body(std::move(gathered), false);
    co_return;
  }
  co_await transaction_->append(std::move(octets));
}

// While a hook thinks about a chunk nothing more is read: the client waits, and what is in memory is bounded.
Task<void> Session::pass_body(std::string chunk, bool last) {
  if (chunk.empty() && !last) co_return;
  Subject shown = subject();
  shown.chunk = chunk;
  shown.last = last;
  if (transaction_->keeps_received()) co_await transaction_->keep(chunk);
  if (Asked asked = ask_hooks(Stage::body, shown)) {
    Ruling ruling = co_await consult(std::move(asked));
    if (!settle(ruling)) co_return refuse_content(ruling);
    apply(ruling.edits);
    if (ruling.body) {
      chunk = std::move(*ruling.body);
      transaction_->rewritten_body = true;
    }
  }
  if (transaction_->own_8bit && !transaction_->body_8bit) transaction_->body_8bit = !is_ascii(chunk);
  if (!transaction_->append_now(chunk)) co_await transaction_->append(std::move(chunk));
}

// Answered at the end of the data.
void Session::refuse_content(Ruling& ruling) {
  transaction_->refusal = std::move(ruling.refusal);
  transaction_->close = ruling.close;
  transaction_->rule = std::move(ruling.rule);
  transaction_->drop();
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
  if (wants_no_tls(transaction_->header())) set_note(machine_->envelope().notes, kTlsRequiredNote, "no");
  if (transaction_->refusal.code != 0 || transaction_->discard) return true;
  bool edge = listener_.role == Role::mx || listener_.role == Role::submission;
  if (edge && !composes_results() && has_forged_results(transaction_->header(), settings_->hostname)) transaction_->drop_forged_results();
  if (hooked(Stage::body)) {
    bool may_rewrite = (hooks_.hooks->may(Stage::body) & kMayBody) != 0;
    transaction_->stream(may_rewrite, (hooks_.hooks->needs(Stage::message) & kNeedsReceived) != 0);
  }
  return !hooked(Stage::headers);
}

// Hooks see the header as it will be: below our own trace field. So positions in edits mean the same here and
// at `message`.
Task<void> Session::on_headers() {
  Content content;
  content.head = received_field(machine_->envelope(), settings_->hostname, hides_client());
  content.memory = std::make_shared<const std::string>(transaction_->header());
  Subject shown = subject();
  shown.content = &content;
  shown.header = *content.memory;
  AsReceived original{content, content.memory->size()};
  original.content.head.clear();
  shown.original = &original;
  if (Asked asked = ask_hooks(Stage::headers, shown)) {
    Ruling ruling = co_await consult(std::move(asked));
    if (!settle(ruling)) co_return refuse_content(ruling);
    apply(ruling.edits);
    for (Edit& edit : ruling.edits)
      if (concerns_header(edit)) transaction_->header_edits.push_back(std::move(edit));
    if (!ruling.edits.empty()) co_return;
  }
  transaction_->received = std::move(content.head);  // what it tells does not change any more
}

Task<void> Session::on_end(AskEnd end) {
  if (end.problem.code == 0 && transaction_->streams) co_await pass_body(std::move(transaction_->chunk), true);
  auto message = std::make_shared<Message>();
  Envelope& envelope = message->envelope;
  envelope = std::move(machine_->envelope());
  envelope.content_8bit = transaction_->own_8bit ? transaction_->body_8bit : end.content_8bit;
  envelope.header_8bit = end.header_8bit;
  transaction_->message = message;
  Reply refusal = end.problem.code != 0 ? std::move(end.problem) : transaction_->refusal;
  if (refusal.code != 0) co_return refuse_message(envelope, std::move(refusal));
  Result<Content> content = co_await transaction_->finish();
  if (!content) co_return not_stored(envelope, content.error());
  message->content = std::move(*content);
  std::string& received = transaction_->received;
  message->content.head = received.empty() ? received_field(envelope, settings_->hostname, hides_client()) : std::move(received);
  Copies copies;
  copies.push_back(std::move(message));
  refusal = co_await judge(copies);
  if (refusal.code != 0) co_return refuse_message(transaction_->message->envelope, std::move(refusal));
  transaction_->original.reset();
  if (transaction_->discard || copies.empty()) co_return message_discarded(transaction_->message->envelope);
  co_await store(std::move(copies));
}

// What hooks make of the whole message. On a refusal nothing of it is kept; without copies nobody is left to
// get it.
Task<Reply> Session::judge(Copies& copies) {
  if (mends()) {
    Reply refusal = co_await mend(*copies.front());
    if (refusal.code != 0) co_return refusal;
  }
  if (!edit(copies, transaction_->header_edits)) co_return not_processed();
  if (hooked(Stage::message) && !transaction_->discard) {
    Reply refusal = co_await ask_message(copies);
    if (refusal.code != 0) co_return refusal;
  }
  if (transaction_->discard) co_return Reply();
  drop_copies_for_nobody(copies);
  for (const std::shared_ptr<Message>& copy : copies) {
    Envelope& envelope = copy->envelope;
    envelope.held = envelope.held || transaction_->hold;
    if (transaction_->hold) envelope.hold_reason = transaction_->rule;
    if ((composes_results() || transaction_->forged_results()) &&
        !add_auth_results(*copy, auth_results_, settings_->hostname, transaction_->kept_header(copy->content)))
      co_return not_processed();
    if (!hooked(Stage::seal)) continue;
    Reply refusal = co_await seal(*copy);
    if (refusal.code != 0) co_return refusal;
  }
  co_return Reply();
}

// Of a submitted message: whose it says it is, and what RFC 6409 adds.
Task<Reply> Session::mend(const Message& message) {
  std::string_view header = transaction_->kept_header(message.content);
  auto edits = wanted_fixups(header, message.envelope);
  if (!edits) co_return Reply{550, {5, 6, 0}, {"The header cannot be read: " + printable(edits.error().text, 200)}};
  bool has_from = std::none_of(edits->begin(), edits->end(), [](const Edit& edit) {
    const auto* insert = std::get_if<InsertHeader>(&edit);
    return insert && insert->name == "From";
  });
  if (settings_->submission.check_from && has_from && !submitter_) {
    Reply refusal = co_await from_refusal(std::string(header));
    if (refusal.code != 0) co_return refusal;
  }
  for (Edit& edit : *edits) transaction_->header_edits.push_back(std::move(edit));
  co_return Reply();
}

Task<Reply> Session::ask_message(Copies& copies) {
  Asked asked = ask_hooks(Stage::message, message_subject(*copies.front()));
  if (!asked) co_return Reply();
  Ruling ruling = co_await consult(std::move(asked));
  if (!settle(ruling)) {
    transaction_->close = ruling.close;
    transaction_->rule = std::move(ruling.rule);
    co_return std::move(ruling.refusal);
  }
  if (transaction_->discard) co_return Reply();
  if (!edit(copies, ruling.edits)) co_return not_processed();
  take_auth_results(auth_results_, ruling.edits);
  co_return Reply();
}

Task<Reply> Session::seal(Message& message) {
  Asked asked = ask_hooks(Stage::seal, message_subject(message));
  if (!asked) co_return Reply();
  Ruling ruling = co_await consult(std::move(asked));
  if (ruling.refusal.code != 0) {
    transaction_->rule = std::move(ruling.rule);
    co_return std::move(ruling.refusal);
  }
  auto sealed = apply_edits(message, ruling.edits);
  if (!sealed) co_return not_processed();
  message = std::move(sealed->front());
  co_return Reply();
}

Subject Session::message_subject(const Message& message) const {
  Subject shown;
  shown.origin = &origin_;
  shown.envelope = &message.envelope;
  shown.content = &message.content;
  shown.header = transaction_->kept_header(message.content);
  shown.original = transaction_->original ? &*transaction_->original : nullptr;
  shown.auth_results = &auth_results_;
  shown.declared_size = transaction_->declared_size;
  return shown;
}

// Each copy is a message of its own from here on, with an id of its own.
Status Session::edit(Copies& copies, std::span<const Edit> edits) {
  if (edits.empty()) return {};
  Message& first = *copies.front();
  auto edited = apply_edits(first, edits, transaction_->kept_header(first.content));
  if (!edited) {
    context_.log.write(events::kHookFault, {{"id", first.envelope.id.text()}, {"reason", edited.error().text}});
    return edited.error();
  }
  first = std::move(edited->front());
  for (size_t i = 1; i < edited->size(); ++i) {
    (*edited)[i].envelope.id = context_.ids.next();
    copies.push_back(std::make_shared<Message>(std::move((*edited)[i])));
  }
  return {};
}

void Session::drop_copies_for_nobody(Copies& copies) {
  std::erase_if(copies, [](const std::shared_ptr<Message>& copy) { return copy->envelope.recipients.empty(); });
}

}  // namespace veredus
