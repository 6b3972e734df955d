// Answers to the commands before the data. Order for each: our own limits and rules, then hooks; hooks cannot
// widen what rules deny.
#include <algorithm>

#include "base/text.h"
#include "hooks/edits.h"
#include "inbound/session.h"
#include "log/events.h"

namespace veredus {

namespace {

// The machine knows the addresses as they were given; rules may have made two of them one.
bool named_before(const std::vector<Recipient>& recipients) {
  std::string key = recipients.back().address.key();
  return std::any_of(recipients.begin(), recipients.end() - 1,
                     [&](const Recipient& known) { return known.address.key() == key; });
}

// RFC 6409 4.2: what a user submits names whole domains, or one that is known here.
bool is_whole(const Settings& settings, const Address& address) {
  std::string domain = lowered(address.domain());
  if (domain.empty() || domain.find('.') != std::string::npos || domain.front() == '[') return true;
  return iequals(domain, settings.hostname) || matches_any_domain(settings.relay_domains, domain) || is_local_domain(settings, domain);
}

}  // namespace

void Session::find_rights() {
  rights_.relay_network = submitter_ || contains(settings_->relay_networks, origin_.client.ip);
  rights_.authenticated = !origin_.account.empty();
}

Task<void> Session::on_helo(AskHelo ask) {
  if (!submitter_) origin_.helo = std::move(ask.name);
  origin_.protocol = submitter_                     ? Protocol::local
                     : listener_.role == Role::lmtp ? Protocol::lmtp
                     : ask.extended               ? Protocol::esmtp
                                                  : Protocol::smtp;
  if (lasting_edits_.size() > connect_edits_) forget_helo();
  if (Asked asked = ask_hooks(Stage::helo)) {
    Ruling ruling = co_await consult(std::move(asked));
    if (!settle(ruling)) co_return machine_->refuse(std::move(ruling.refusal), ruling.close);
    keep_lasting(ruling);
  }
  machine_->accept();
}

Task<void> Session::on_xclient(AskXclient ask) {
  std::string before = origin_.account;
  if (!apply_xclient(ask.attributes)) co_return machine_->refuse({501, {5, 5, 4}, {"Bad XCLIENT attribute"}});
  if (origin_.account != before) forget_auth();
  find_rights();
  context_.log.write(events::kSessionXclient, {{"proxy", stream_->peer().text()},
                                               {"client", client_text()},
                                               {"name", origin_.client_name},
                                               {"account", origin_.account}});
  machine_->accept();
  machine_->set_authenticated(rights_.authenticated);
}

bool Session::apply_xclient(const Attributes& attributes) {
  Origin fresh = origin_;
  IpAddress local = local_;
  for (const auto& [name, value] : attributes) {
    bool address = name == "ADDR" || name == "DESTADDR";
    auto ip = IpAddress::parse(istarts_with(value, "IPV6:") ? std::string_view(value).substr(5)
                                                            : std::string_view(value));
    auto port = parse_uint(value, 65535);
    if (address && !ip && !value.empty()) return false;
    if ((name == "PORT" || name == "DESTPORT") && !port && !value.empty()) return false;
    if (name == "ADDR") fresh.client.ip = ip.value_or(IpAddress());
    if (name == "DESTADDR" && ip) local = *ip;
    if (name == "PORT") fresh.client.port = static_cast<uint16_t>(port.value_or(0));
    if (name == "NAME") fresh.client_name = value;
    if (name == "HELO") fresh.helo = value;
    if (name == "LOGIN") fresh.account = value;
  }
  origin_ = std::move(fresh);
  local_ = local;
  return true;
}

Task<void> Session::on_mail(AskMail ask) {
  Reply refusal = mail_refusal(ask.envelope->sender);
  if (refusal.code != 0)
    co_return refuse_command(std::move(refusal), events::kMessageRefused, ask.envelope->sender.text());
  bool trusted_program = submitter_ && submitter_->uid == 0;
  if (rights_.authenticated || (submitter_ && !trusted_program)) {
    refusal = co_await sender_refusal(ask.envelope->sender.text());
    if (refusal.code == 0) refusal = co_await account_refusal(AccountRates::What::messages, settings_->submission.account_message_rate);
    if (refusal.code != 0)
      co_return refuse_command(std::move(refusal), events::kMessageRefused, ask.envelope->sender.text());
  }
  begin_transaction(ask);
  if (Asked asked = ask_hooks(Stage::mail)) {
    Ruling ruling = co_await consult(std::move(asked));
    if (!settle(ruling)) {
      refuse_command(std::move(ruling.refusal), events::kMessageRefused, ask.envelope->sender.text(), ruling.close);
      co_return end_transaction();
    }
    apply(ruling.edits);
  }
  if (submitter_) machine_->accept("Ok, id " + machine_->envelope().id.text());
  else machine_->accept();
}

Reply Session::mail_refusal(const Address& sender) {
  const LimitsSettings& limits = settings_->limits;
  if (standing_refusal_.code != 0 && standing_scope_ == VerdictScope::connection) return standing_refusal_;
  if (context_.stopping()) return {421, {4, 3, 2}, {"Service is shutting down"}};
  if (limits.messages_per_connection > 0 && messages_ >= limits.messages_per_connection)
    return {421, {4, 7, 0}, {"Enough messages for one connection"}};
  if (Status room = context_.spool.accepting(); !room)
    return storage_failure(fail(Errc::no_space, room.error().text));
  if (listener_.role == Role::submission && !is_whole(*settings_, sender))
    return {554, {5, 1, 8}, {"The domain of the sender is not a whole name"}};
  bool exempt = limits.message_rate == 0 || submitter_ || contains(settings_->exempt_networks, origin_.client.ip);
  if (!exempt && !context_.message_rates.take(origin_.client.ip, limits.message_rate, context_.loop.now()))
    return {450, {4, 7, 1}, {"Too many messages from your address, try again later"}};
  return {};
}

void Session::begin_transaction(const AskMail& ask) {
  Envelope& envelope = machine_->envelope();
  envelope.id = context_.ids.next();
  envelope.arrived = context_.loop.clock().wall();
  envelope.origin = origin_;
  mark_local(envelope);
  if (!tenant_.empty()) envelope.tenant = tenant_;
  apply_envelope_edits(envelope, lasting_edits_);
  apply_envelope_edits(envelope, auth_edits_);
  bool keep_header = hooked(Stage::headers) || hooked(Stage::message) || composes_results() || mends();
  transaction_ =
      std::make_unique<Transaction>(context_, envelope.id, settings_->spool.inline_size, keep_header);
  transaction_->declared_size = ask.declared_size;
  transaction_->expect(ask.declared_size);
}

Task<void> Session::on_rcpt() {
  Recipient recipient = machine_->candidate();
  RelayDecision decision = RelayDecision::deny;
  Reply refusal = rcpt_refusal(recipient, decision);
  if (keep_to_return(recipient, refusal)) co_return;
  if (refusal.code != 0)
    co_return refuse_command(std::move(refusal), events::kRecipientRefused, recipient.address.text());
  refusal = co_await account_refusal(AccountRates::What::recipients, settings_->submission.account_recipient_rate);
  if (refusal.code != 0)
    co_return refuse_command(std::move(refusal), events::kRecipientRefused, recipient.address.text());
  if (decision == RelayDecision::to_postmaster) {
    auto postmaster = Address::parse(settings_->postmaster);
    recipient.original = std::exchange(recipient.address, postmaster ? *postmaster : recipient.address);
  }
  Ruling ruling;
  if (hooked(Stage::rcpt)) {
    Subject shown = subject();
    shown.recipient = &recipient;
    shown.recipient_index = static_cast<uint32_t>(machine_->envelope().recipients.size());
    Asked asked = ask_hooks(Stage::rcpt, shown);
    if (asked) ruling = co_await consult(std::move(asked));
    if (!ruling.discard && ruling.scope == VerdictScope::step && keep_to_return(recipient, ruling.refusal)) co_return;
    if (!ruling.discard && !settle(ruling))
      co_return refuse_command(std::move(ruling.refusal), events::kRecipientRefused,
                               recipient.address.text(), ruling.close);
  }
  machine_->accept();
  take_recipient(std::move(recipient), ruling);
}

// What the envelope gets is what rules and hooks made of the address given.
void Session::take_recipient(Recipient recipient, Ruling& ruling) {
  Envelope& envelope = machine_->envelope();
  bool only_this = ruling.discard && ruling.scope == VerdictScope::step;
  if (only_this) {
    transaction_->discarded.push_back({recipient.address.text(), ruling.rule});
    envelope.recipients.pop_back();
  } else {
    transaction_->rewritten = transaction_->rewritten || !recipient.original.empty();
    envelope.recipients.back() = std::move(recipient);
    if (transaction_->rewritten && named_before(envelope.recipients)) envelope.recipients.pop_back();
    if (ruling.discard) settle(ruling);
  }
  apply(ruling.edits);
}

Reply Session::rcpt_refusal(const Recipient& recipient, RelayDecision& decision) {
  const LimitsSettings& limits = settings_->limits;
  decision = decide_relay(*settings_, listener_.role, rights_, local_, recipient.address);
  if (decision == RelayDecision::deny) return relay_denied();
  if (standing_refusal_.code != 0) return standing_refusal_;
  if (listener_.role == Role::submission && !is_whole(*settings_, recipient.address))
    return {554, {5, 1, 2}, {"The domain of the recipient is not a whole name"}};
  bool exempt = limits.recipient_rate == 0 || submitter_ || contains(settings_->exempt_networks, origin_.client.ip);
  if (!exempt &&
      !context_.recipient_rates.take(origin_.client.ip, limits.recipient_rate, context_.loop.now()))
    return {450, {4, 7, 1}, {"Too many recipients from your address, try again later"}};
  return {};
}

void Session::refuse_command(Reply reply, const EventDef& event, std::string_view address, bool close) {
  if (&event == &events::kRecipientRefused) ++context_.counters.recipients_refused;
  context_.log.write(event, {{"client", client_text()},
                             {"helo", origin_.helo},
                             {"sender", machine_->envelope().sender.text()},
                             {"address", address},
                             {"reply", reply.joined()}});
  refusal_logged_ = reply.permanent();
  machine_->refuse(std::move(reply), close);
}

Task<void> Session::on_data(bool) {
  if (standing_refusal_.code != 0) co_return refuse_data(standing_refusal_, {}, false);
  if (Asked asked = ask_hooks(Stage::data)) {
    Ruling ruling = co_await consult(std::move(asked));
    if (!settle(ruling)) co_return refuse_data(std::move(ruling.refusal), ruling.rule, ruling.close);
    apply(ruling.edits);
  }
  machine_->accept();
}

void Session::refuse_data(Reply reply, std::string_view rule, bool close) {
  message_refused(machine_->envelope(), reply, rule);
  machine_->refuse(std::move(reply), close);
}

// VRFY is not offered by the options a session sets.
Task<void> Session::on_other() {
  machine_->refuse({502, {5, 5, 1}, {"Not offered"}});
  co_return;
}

// Reached from every end that is not an answered message: RSET, HELO, QUIT, a failed chunk, a lost or closed
// connection.
void Session::abort_transaction(std::string_view reason) {
  if (!transaction_) return;
  if (transaction_->has_content()) {
    ++context_.counters.messages_aborted;
    context_.log.write(
        events::kMessageAborted,
        {{"id", transaction_->id.text()}, {"client", client_text()}, {"reason", reason}});
  }
  end_transaction();
}

void Session::end_transaction() {
  if (!transaction_) return;
  tell(Stage::transaction_end, transaction_->message ? &transaction_->message->envelope : &machine_->envelope());
  transaction_.reset();
  machine_->envelope() = Envelope();
  hooks_.end_transaction();
  auth_results_.resize(connection_results_);
  if (standing_scope_ != VerdictScope::connection) standing_refusal_ = Reply();
}

}  // namespace veredus
