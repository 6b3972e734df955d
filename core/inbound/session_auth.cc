// AUTH (RFC 4954): the dialogue of a mechanism, what plugins say of the account, and the cost of guessing.
#include <algorithm>

#include "base/text.h"
#include "inbound/session.h"
#include "log/events.h"
#include "sasl/base64.h"

namespace veredus {

namespace {

constexpr Millis kProviderPatience{30'000};

Reply wrong_credentials() { return {535, {5, 7, 8}, {"Authentication credentials invalid"}}; }
Reply not_now() { return {454, {4, 7, 0}, {"Temporary authentication failure"}}; }
Reply too_often() { return {454, {4, 7, 0}, {"Too many failed attempts, try again later"}}; }
Reply bad_base64() { return {501, {5, 5, 2}, {"The answer is not base64"}}; }
Reply malformed() { return {501, {5, 5, 2}, {"The answer makes no sense for this mechanism"}}; }
Reply cancelled() { return {501, {5, 0, 0}, {"Authentication cancelled"}}; }

bool is_plus(std::string_view mechanism) { return mechanism.ends_with("-PLUS"); }

// Empty without TLS, and when the session has none (TLS 1.2 without the extended master secret).
std::string channel_of(const Stream& stream) {
  const TlsLink* link = stream.tls();
  return link ? link->channel_binding("tls-exporter") : std::string();
}

}  // namespace

// What this client may use now: what settings allow, plugins can serve, and the connection is safe enough for.
std::vector<std::string> Session::auth_mechanisms(bool encrypted) const {
  std::vector<std::string> out;
  const AuthSettings& rules = settings_->auth;
  bool here = std::find(rules.roles.begin(), rules.roles.end(), listener_.role) != rules.roles.end();
  if (!here || !context_.auth) return out;
  uint32_t kinds = context_.auth->kinds();
  for (std::string_view name : sasl_mechanisms()) {
    bool wanted = rules.mechanisms.empty() || std::find(rules.mechanisms.begin(), rules.mechanisms.end(), name) != rules.mechanisms.end();
    bool served = (kinds & (1u << static_cast<unsigned>(sasl_needs(name)))) != 0;
    bool safe = encrypted || rules.clear_text || !sasl_shows_password(name);
    if (is_plus(name)) safe = encrypted && !channel_of(*stream_).empty();
    if (name == "EXTERNAL") safe = encrypted && !origin_.tls_fingerprint.empty();
    if (wanted && served && safe) out.emplace_back(name);
  }
  return out;
}

void Session::offer_auth() { machine_->offer_auth(auth_mechanisms(machine_->encrypted())); }

Task<void> Session::on_auth(AskAuth ask) {
  std::string mechanism = std::move(ask.mechanism);
  for (char& c : mechanism)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  SaslServerOptions options;
  options.hostname = settings_->hostname;
  options.certificate = origin_.tls_fingerprint;
  options.certificate_name = origin_.tls_peer;
  // Only when -PLUS is offered: with a binding, clients that saw no such offer are refused.
  std::vector<std::string> offered = auth_mechanisms(machine_->encrypted());
  if (std::any_of(offered.begin(), offered.end(), is_plus)) options.binding = {"tls-exporter", channel_of(*stream_)};
  std::optional<std::string> initial;
  if (ask.has_initial) initial = ask.initial == "=" ? std::string() : octets_of_base64(ask.initial);
  wipe(ask.initial);
  if (ask.has_initial && !initial) co_return machine_->refuse(bad_base64());
  bool free = !context_.guard || co_await guard_allows(context_.loop, *context_.guard, origin_.client.ip);
  if (!free) co_return co_await auth_not_now(Guess::Answer::blocked, {});
  sasl_ = SaslServer::make(mechanism, std::move(options));
  if (!sasl_) co_return machine_->refuse({504, {5, 5, 4}, {"Mechanism is not offered"}});
  origin_.mechanism = std::move(mechanism);
  guess_counted_ = false;
  guessed_.clear();
  std::string octets = std::move(initial).value_or(std::string());
  SaslServerStep step = sasl_->begin(octets, ask.has_initial);
  wipe(octets);
  co_await go_on_with(std::move(step));
}

Task<void> Session::on_auth_line(AskAuthLine line) {
  if (!sasl_) co_return machine_->refuse(malformed());
  if (line.line == "*") co_return co_await auth_refused({}, "cancelled", cancelled(), AuthEnd::refused);
  auto octets = octets_of_base64(line.line);
  wipe(line.line);
  if (!octets) co_return co_await auth_refused({}, "not base64", bad_base64(), AuthEnd::refused);
  // A proof about an account that was asked about before is the guess; a token that was wrong has been counted.
  if (!guessed_.empty() && !guess_counted_) {
    Guess::Answer answer = co_await may_guess(guessed_);
    if (answer != Guess::Answer::granted) co_return co_await auth_not_now(answer, guessed_);
  }
  SaslServerStep step = sasl_->answer(*octets);
  wipe(*octets);
  co_await go_on_with(std::move(step));
}

// Until the client has to say something, or it is decided.
Task<void> Session::go_on_with(SaslServerStep step) {
  using Kind = SaslServerStep::Kind;
  std::string account = guessed_;
  while (step.kind == Kind::ask) {
    account = guessed_ = step.question.account;
    bool token = step.question.kind == AuthKind::token;
    Guess::Answer free = co_await may_guess(account);
    if (free != Guess::Answer::granted) co_return co_await auth_not_now(free, std::move(account));
    AuthAnswer answer = co_await context_.auth->check(context_.loop, std::move(step.question), origin_.client.ip.text(),
                                                      Deadline::in(context_.loop, kProviderPatience));
    step = sasl_->told(answer);
    bool wrong = token && answer.kind == AuthAnswer::Kind::denied && step.kind == Kind::challenge;
    if (wrong) co_await guessed_wrong(account);  // now: the client may never acknowledge it
  }
  if (step.kind == Kind::challenge) {
    guess_ = {};
    co_return machine_->challenge(base64_of(step.octets));
  }
  if (step.kind == Kind::accepted) co_return co_await auth_accepted(std::move(step));
  if (!step.account.empty()) account = std::move(step.account);
  using Why = SaslServerStep::Why;
  if (step.why == Why::temporary) co_return co_await auth_refused(std::move(account), step.problem, not_now(), AuthEnd::temporary);
  if (step.why == Why::malformed) co_return co_await auth_refused(std::move(account), step.problem, malformed(), AuthEnd::refused);
  if (step.why == Why::aborted) co_return co_await auth_refused(std::move(account), step.problem, cancelled(), AuthEnd::refused);
  co_await auth_refused(std::move(account), step.problem, wrong_credentials(), AuthEnd::wrong);
}

// Takes a turn at guessing; it may have to wait for the guesses of others about the same account or from the same place.
Task<Guess::Answer> Session::may_guess(std::string account) {
  if (!context_.guard) co_return Guess::Answer::granted;
  guess_ = {};
  Guess guess = co_await guard_begins(context_.loop, *context_.guard, origin_.client.ip, std::move(account));
  guess_ = std::move(guess.turn);
  co_return guess.answer;
}

// Counts a guess, and lets the client wait for the answer.
Task<void> Session::guessed_wrong(std::string account) {
  guess_counted_ = true;
  if (!context_.guard) co_return;
  Millis delay = co_await guard_failed(context_.loop, *context_.guard, origin_.client.ip, std::move(account));
  guess_ = {};
  co_await sleep_for(context_.loop, delay);
}

// Who goes on after having been told that it was too often loses the connection.
Task<void> Session::auth_not_now(Guess::Answer why, std::string account) {
  if (why == Guess::Answer::busy) co_return co_await auth_refused(std::move(account), "too many attempts at once", not_now(), AuthEnd::temporary);
  Reply reply = too_often();
  if (std::exchange(blocked_before_, true)) reply.code = 421;
  co_await auth_refused(std::move(account), "too many failures", std::move(reply), AuthEnd::blocked);
}

Task<void> Session::auth_accepted(SaslServerStep step) {
  sasl_.reset();
  guess_ = {};
  origin_.account = step.acting_as.empty() ? std::move(step.account) : std::move(step.acting_as);
  tenant_ = std::move(step.tenant);
  auth_edits_.clear();
  if (Asked asked = ask_hooks(Stage::auth)) {
    Ruling ruling = co_await consult(std::move(asked));
    if (!settle(ruling)) {
      std::string account = std::exchange(origin_.account, {});
      tenant_.clear();
      co_return co_await auth_refused(std::move(account), "refused by " + ruling.rule, std::move(ruling.refusal), AuthEnd::refused, ruling.close);
    }
    auth_edits_ = std::move(ruling.edits);
    renew_lasting();
  }
  find_rights();
  count_auth(&InboundCounters::Auth::accepted);
  context_.log.write(events::kAuthAccepted, {{"client", origin_.client.text()},
                                             {"account", printable(origin_.account, 255)},
                                             {"mechanism", origin_.mechanism},
                                             {"tls", origin_.tls}});
  machine_->accept();
}

Task<void> Session::auth_refused(std::string account, std::string reason, Reply reply, AuthEnd how, bool close) {
  using Counts = InboundCounters::Auth;
  count_auth(how == AuthEnd::temporary ? &Counts::temporary : how == AuthEnd::blocked ? &Counts::blocked : &Counts::refused);
  std::string mechanism = std::exchange(origin_.mechanism, {});
  sasl_.reset();
  context_.log.write(events::kAuthRefused, {{"client", origin_.client.text()},
                                            {"account", printable(account, 255)},
                                            {"mechanism", mechanism},
                                            {"reason", printable(reason, 255)}});
  bool counted = std::exchange(guess_counted_, false);
  if (how == AuthEnd::wrong && !counted) co_await guessed_wrong(std::move(account));
  guess_counted_ = false;
  guess_ = {};
  refusal_logged_ = true;
  machine_->refuse(std::move(reply), close);
}

void Session::count_auth(uint64_t InboundCounters::Auth::*what) {
  auto& counts = context_.counters.auth;
  auto names = sasl_mechanisms();
  auto place = static_cast<size_t>(std::find(names.begin(), names.end(), origin_.mechanism) - names.begin());
  ++(counts[std::min(place, counts.size() - 1)].*what);
}

// Who is authenticated may send as whom the administrator says. To a program of this host its user's name is the account: it may use what is given
// to nobody, as ever, and of what is given only what is its own.
Task<Reply> Session::sender_refusal(std::string sender) {
  std::string account = submitter_ ? submitter_->user : origin_.account;
  UnlistedSender unlisted = submitter_ ? UnlistedSender::allow : settings_->auth.unlisted_senders;
  SenderRight right = co_await may_send_as(context_.loop, settings_, context_.tables, account, sender, unlisted);
  if (right == SenderRight::allowed) co_return Reply();
  if (right == SenderRight::unknown) co_return Reply{451, {4, 3, 0}, {"It cannot be told now who may send as this address"}};
  std::string client = submitter_ ? origin_.listener : origin_.client.text();
  context_.log.write(events::kSenderRefused, {{"client", client}, {"account", printable(account, 255)}, {"sender", printable(sender, 320)}});
  co_return Reply{553, {5, 7, 1}, {"Sender address is not yours"}};
}

Task<Reply> Session::account_refusal(AccountRates::What what, uint32_t limit) {
  bool bound = limit > 0 && context_.accounts && rights_.authenticated && listener_.role == Role::submission;
  if (!bound) co_return Reply();
  bool within = co_await take_of_account(context_.loop, *context_.accounts, origin_.account, what, limit);
  if (within) co_return Reply();
  co_return Reply{450, {4, 7, 1}, {what == AccountRates::What::messages ? "Too many messages from your account this hour" : "Too many recipients from your account this hour"}};
}

// From of a submitted message: each address must be one that the account may send as.
Task<Reply> Session::from_refusal(std::string header) {
  auto from = from_addresses(header);
  if (!from) co_return Reply{550, {5, 7, 1}, {"From is not one list of addresses: " + printable(from.error().text, 200)}};
  for (std::string& address : *from) {
    Reply refusal = co_await sender_refusal(std::move(address));
    if (refusal.code == 553) co_return Reply{550, {5, 7, 1}, {"The address in From is not yours"}};
    if (refusal.code != 0) co_return refusal;
  }
  co_return Reply();
}

}  // namespace veredus
