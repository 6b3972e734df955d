// The client's order of commands: handshake, then for each transaction MAIL, RCPT, DATA or BDAT, as early as the peer's extensions allow.
#include "smtp/client_machine.h"

#include <algorithm>

#include "base/text.h"
#include "smtp/client_commands.h"

namespace veredus {

namespace {

using Fate = RecipientResult::Fate;

Reply local(uint16_t code, EnhancedCode enhanced, std::string text) {
  return Reply{code, enhanced, {std::move(text)}};
}

bool undecided(const RecipientResult& result) {
  return result.fate == Fate::open || result.fate == Fate::accepted;
}

}  // namespace

ClientStep ClientMachine::step() const {
  using Kind = ClientStep::Kind;
  if (finished_) return {Kind::finished};
  if (closed_) return {Kind::closed};
  if (!output_.empty() || content_ != ClientStep::Content::none)
    return {Kind::write, outstanding() ? expected_[answered_].phase : ClientPhase::mail, content_};
  if (outstanding()) return {Kind::read, expected_[answered_].phase};
  return {Kind::ready};
}

size_t ClientMachine::feed(std::string_view octets) {
  size_t used = 0;
  while (outstanding() && !closed_ && output_.empty() && content_ == ClientStep::Content::none) {
    used += parser_.feed(octets.substr(used));
    if (parser_.state() == ReplyParser::State::partial) break;
    if (parser_.state() == ReplyParser::State::broken) {
      protocol_error(parser_.problem());
      break;
    }
    Expected expected = expected_[answered_++];
    ++replies_;
    if (!outstanding()) {
      expected_.clear();
      answered_ = 0;
    }
    handle(expected, parser_.take());
  }
  return used;
}

void ClientMachine::wrote() {
  output_.clear();
  if (content_ == ClientStep::Content::none) return;
  content_ = ClientStep::Content::none;
  content_sent_ = true;
}

void ClientMachine::write_failed() {
  output_.clear();
  content_ = ClientStep::Content::none;
  cut_off_ = true;
}

void ClientMachine::begin(const Message& message, std::span<const uint32_t> recipients) {
  message_ = &message;
  results_.resize(recipients.size());
  for (size_t i = 0; i < recipients.size(); ++i) {
    results_[i] = RecipientResult();
    results_[i].recipient = recipients[i];
  }
  next_rcpt_ = accepted_ = 0;
  mail_answered_ = content_sent_ = cut_off_ = uncertain_ = finished_ = false;
  refuse_locally();
  cursor_ = std::none_of(results_.begin(), results_.end(), undecided) ? Cursor::done : Cursor::mail;
  issue();
}

// What the peer cannot take is refused without asking it. Headers beyond ASCII need SMTPUTF8 only if the message came with it; else they
// are 8-bit content of old programs, which travels as it came.
void ClientMachine::refuse_locally() {
  const Envelope& envelope = message_->envelope;
  eight_bit_ = envelope.content_8bit || envelope.header_8bit;
  utf8_ = !is_ascii(envelope.sender.text()) || (envelope.smtputf8 && envelope.header_8bit);
  Reply why;
  if (!fit_for_command(envelope.sender.text())) why = local(501, {5, 1, 7}, "The sender address cannot be written in SMTP");
  else if (utf8_ && !features_.smtputf8) why = local(553, {5, 6, 7}, "The next hop does not offer SMTPUTF8");
  else if (eight_bit_ && !features_.eight_bit) why = local(554, {5, 6, 3}, "The next hop does not take 8-bit content");
  else if (features_.size > 0 && message_->content.size() > features_.size)
    why = local(552, {5, 3, 4}, "The message is larger than the next hop takes");
  else if (envelope.require_tls && !keeps_tls())
    why = local(550, {5, 7, 30}, "The message must stay encrypted (REQUIRETLS), and the next hop cannot promise that");
  if (why.code != 0) decide_rest(Fate::refused, ClientPhase::mail, why);
  for (RecipientResult& result : results_) {
    const std::string& address = envelope.recipients[result.recipient].address.text();
    if (undecided(result) && !fit_for_command(address)) {
      result.fate = Fate::refused;
      result.reply = local(501, {5, 1, 3}, "The address cannot be written in SMTP");
    } else if (undecided(result) && !is_ascii(address)) {
      utf8_ = true;
      if (features_.smtputf8) continue;
      result.fate = Fate::refused;
      result.reply = local(553, {5, 6, 7}, "The next hop does not offer SMTPUTF8");
    }
    result.local = result.fate == Fate::refused;
  }
}

void ClientMachine::issue() {
  while (running() && issue_one()) {
  }
  bool writing = !output_.empty() || content_ != ClientStep::Content::none;
  if (running() && !outstanding() && !writing) finish();
}

bool ClientMachine::issue_one() {
  if (outstanding() && !features_.pipelining) return false;
  switch (cursor_) {
    case Cursor::mail: issue_mail(); return true;
    case Cursor::rcpt: issue_rcpt(); return true;
    case Cursor::data: return issue_data();
    case Cursor::done: return false;
  }
  return false;
}

void ClientMachine::issue_mail() {
  if (needs_reset_) {
    needs_reset_ = false;
    output_ += "RSET\r\n";
    return expect(ClientPhase::reset);
  }
  MailNeeds needs{eight_bit_, utf8_, message_->envelope.require_tls && !options_.lmtp};
  append_mail(output_, *message_, features_, needs);
  expect(ClientPhase::mail);
  needs_reset_ = true;
  cursor_ = Cursor::rcpt;
}

void ClientMachine::issue_rcpt() {
  while (next_rcpt_ < results_.size() && results_[next_rcpt_].fate != Fate::open) ++next_rcpt_;
  if (next_rcpt_ < results_.size()) {
    append_rcpt(output_, message_->envelope.recipients[results_[next_rcpt_].recipient], features_);
    expect(ClientPhase::rcpt, static_cast<uint32_t>(next_rcpt_++));
  }
  while (next_rcpt_ < results_.size() && results_[next_rcpt_].fate != Fate::open) ++next_rcpt_;
  if (next_rcpt_ == results_.size()) cursor_ = Cursor::data;
}

// Content is offered before the recipients are accepted only when it is small: they may all be refused. LMTP answers content once a
// recipient, so how many answers will come must be known first.
bool ClientMachine::issue_data() {
  bool known = !outstanding();
  cursor_ = Cursor::done;
  if (known && accepted_ == 0) return false;
  if (!features_.chunking) {
    output_ += "DATA\r\n";
    expect(ClientPhase::data);
    return false;
  }
  bool together = !options_.lmtp && message_->content.size() <= options_.together;
  if (!known && !together) {
    cursor_ = Cursor::data;
    return false;
  }
  output_ += "BDAT " + std::to_string(message_->content.size()) + " LAST\r\n";
  issue_content(ClientStep::Content::plain);
  return false;
}

void ClientMachine::issue_content(ClientStep::Content form) {
  content_ = form;
  if (!options_.lmtp) return expect(ClientPhase::dot);
  for (uint32_t i = 0; i < results_.size(); ++i)
    if (results_[i].fate == Fate::accepted) expect(ClientPhase::dot, i);
}

void ClientMachine::decide_rest(Fate fate, ClientPhase stage, const Reply& reply) {
  for (RecipientResult& result : results_) {
    if (!undecided(result)) continue;
    result.fate = fate;
    result.stage = stage;
    result.reply = reply;
  }
}

void ClientMachine::finish() {
  finished_ = true;
  cursor_ = Cursor::done;
}

void ClientMachine::next() {
  finished_ = false;
  message_ = nullptr;
}

void ClientMachine::lost(Reply why) {
  if (closed_) return;
  if (running()) {
    uncertain_ = content_sent_ && accepted_ > 0;
    ClientPhase stage = outstanding() ? expected_[answered_].phase : ClientPhase::mail;
    decide_rest(mail_answered_ ? Fate::lost : Fate::untouched, stage, why);
    finish();
  }
  close(std::move(why));
}

void ClientMachine::protocol_error(const std::string& text) {
  lost(local(451, {4, 5, 0}, "The next hop broke the protocol: " + text));
}

void ClientMachine::quit() {
  output_ += "QUIT\r\n";
  expect(ClientPhase::quit);
}

void ClientMachine::ask_tls() {
  output_ += "STARTTLS\r\n";
  expect(ClientPhase::starttls);
}

void ClientMachine::tls_started(bool verified) {
  options_.verified_tls = verified;
  features_ = PeerFeatures();
  greeted_ = fell_back_ = false;
  say_hello(options_.lmtp ? "LHLO" : "EHLO");
}

void ClientMachine::say_auth(std::string_view line) {
  output_.append(line).append("\r\n");
  expect(ClientPhase::auth);
}

void ClientMachine::close(Reply why) {
  closed_ = true;
  problem_ = std::move(why);
  output_.clear();
  content_ = ClientStep::Content::none;
  expected_.clear();
  answered_ = 0;
}

}  // namespace veredus
