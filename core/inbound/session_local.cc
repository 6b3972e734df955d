// Sessions of programs of this host: who hands in, what XLOCAL says of it, the queue for everybody.
#include "base/text.h"
#include "inbound/session.h"
#include "log/events.h"
#include "mail/delivery_note.h"
#include "smtp/refused_hop.h"

namespace veredus {

namespace {

constexpr size_t kPage = 500;
constexpr uint32_t kLocalRecipients = 10'000;

}  // namespace

Task<void> serve_local(SessionContext& context, std::unique_ptr<Stream> stream, LocalPeer peer) {
  ListenerSettings listener;
  listener.role = Role::local;
  listener.tls = ListenerTls::none;
  Session session(context, std::move(stream), std::move(listener), ConnectionTicket());
  session.submits(std::move(peer));
  co_await session.run();
}

void Session::submits(LocalPeer peer) {
  origin_.protocol = Protocol::local;
  origin_.listener = "local";
  origin_.helo = peer.user;
  submitter_ = std::make_unique<LocalPeer>(std::move(peer));
}

// Who it is, for the log.
std::string Session::client_text() const {
  return submitter_ ? "local uid " + std::to_string(submitter_->uid) : origin_.client.text();
}

void Session::make_local(ServerOptions& options) const {
  options.local_dialogue = true;
  options.origin = settings_->origin;
  options.recipients = std::max(options.recipients, kLocalRecipients);
  options.starttls = options.xclient = options.normalise_newlines = false;
  options.auth_mechanisms.clear();
  options.auth_inside_tls.clear();
}

Task<void> Session::on_local(AskLocal ask) {
  if (ask.queue) co_return co_await tell_queue();
  auto words = parse_local_words(ask.arguments);
  if (!words) co_return machine_->refuse({501, {5, 5, 4}, {"Bad XLOCAL word"}});
  for (auto& [key, value] : *words) {
    if (key == "NAME") submitter_->name = std::move(value);
    else if (key == "CWD") submitter_->cwd = std::move(value);
    else if (key == "SCRIPT") submitter_->script = std::move(value);
    else if (key == "GATEWAY") submitter_->gateway = value == "yes";
    else if (key == "DELIVERY") submitter_->queue_only = value == "queue";
    else if (key == "ERRORS") submitter_->mail_errors = value == "mail";
  }
  machine_->accept();
}

// A reply of many lines that is sent while it is made: one line a message. [queue loop]
Task<void> Session::tell_queue() {
  co_await flush();
  QueueFilter filter;
  for (bool more = context_.queue_line != nullptr; more && !over_;) {
    auto page = co_await context_.queue.list(filter, kPage);
    for (const StoredMessage& message : page) {
      std::string line = context_.queue_line(message);
      while (line.ends_with('\n')) line.pop_back();
      out_ += "250-" + line + "\r\n";
      filter.after = message.envelope->id;
    }
    more = page.size() == kPage;
    co_await flush();
  }
  machine_->accept("End of the queue");
}

// What is known of the message from its first moment on.
void Session::mark_local(Envelope& envelope) {
  if (!submitter_) return;
  set_note(envelope.notes, "submission.uid", std::to_string(submitter_->uid));
  set_note(envelope.notes, "submission.user", submitter_->user.substr(0, kLongestNote));
  if (submitter_->queue_only) set_note(envelope.notes, kQueueOnlyNote, "yes");
  if (submitter_->id.value == 0) return;
  envelope.id = submitter_->id;
  submitter_->id = MessageId{};
}

// The sender hears by a report, as all who hand in mail by sendmail are used to; the queue writes it when it is asked to deliver.
bool Session::keep_to_return(Recipient& recipient, const Reply& refusal) {
  if (!submitter_ || !submitter_->mail_errors || !refusal.permanent()) return false;
  context_.log.write(events::kRecipientRefused, {{"client", client_text()},
                                                 {"helo", origin_.helo},
                                                 {"sender", machine_->envelope().sender.text()},
                                                 {"address", recipient.address.text()},
                                                 {"reply", refusal.joined()}});
  recipient.next_hop = refused_hop(refusal);
  Ruling none;
  machine_->accept();
  take_recipient(std::move(recipient), none);
  return true;
}

void Session::note_submission(const Envelope& envelope) {
  if (!submitter_) return;
  const LocalPeer& peer = *submitter_;
  context_.log.write(events::kSubmissionLocal, {{"id", envelope.id.text()},
                                                {"uid", peer.uid},
                                                {"user", peer.user},
                                                {"pid", peer.pid},
                                                {"cwd", peer.cwd},
                                                {"script", peer.script},
                                                {"cgroup", peer.cgroup}});
}

Result<std::vector<Edit>> Session::wanted_fixups(std::string_view header, const Envelope& envelope) const {
  const std::vector<Edit>& before = transaction_->header_edits;
  if (!submitter_) return submission_edits(header, envelope, settings_->hostname, before);
  LocalHeaderRules rules{settings_->hostname, settings_->origin, submitter_->user, submitter_->name};
  return local_edits(header, envelope, rules, before);
}

}  // namespace veredus
