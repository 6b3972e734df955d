// The session's answers: what an accepted or refused question changes, and the reply it gets.
#include <cassert>

#include "smtp/extensions.h"
#include "smtp/server_machine.h"

namespace veredus {

namespace {

constexpr size_t kKeptRecipients = 16;  // room kept between transactions

}  // namespace

void ServerMachine::accept() {
  switch (asked_) {
    case Asked::nothing:
      return;
    case Asked::helo:
      return proceed(extended_ ? extension_list(options_, tls_, authenticated_)
                               : "250 " + options_.hostname + "\r\n");
    case Asked::xclient:
      return proceed("220 " + options_.hostname +
                     (options_.lmtp ? " LMTP Veredus\r\n" : " ESMTP Veredus\r\n"));
    case Asked::starttls:
      return proceed("220 2.0.0 Ready to start TLS\r\n");
    case Asked::auth:
      return proceed("235 2.7.0 Authentication successful\r\n");
    case Asked::mail:
      return proceed("250 2.1.0 Ok\r\n");
    case Asked::rcpt:
      return proceed("250 2.1.5 Ok\r\n");
    case Asked::data:
      return proceed("354 End data with <CR><LF>.<CR><LF>\r\n");
    case Asked::vrfy:
      return proceed("252 2.5.2 Not verified, but mail for it may be sent\r\n");
    case Asked::local:
      return proceed("250 2.0.0 Ok\r\n");
    case Asked::end:
      return proceed("250 2.0.0 Ok\r\n");
  }
}

void ServerMachine::accept(Reply reply) {
  if (!reply.positive()) return refuse(std::move(reply));
  proceed(reply.wire());
}

void ServerMachine::accept(std::string_view text) {
  std::string wire(asked_ == Asked::rcpt   ? "250 2.1.5 "
                   : asked_ == Asked::mail ? "250 2.1.0 "
                                           : "250 2.0.0 ");
  wire.append(text.substr(0, 400)).append("\r\n");
  proceed(wire);
}

// What follows from a yes. Only here does a transaction get further.
void ServerMachine::proceed(std::string_view wire) {
  switch (std::exchange(asked_, Asked::nothing)) {
    case Asked::nothing:
      return;
    case Asked::helo:
      reset_transaction();
      phase_ = kReady;
      break;
    case Asked::xclient:
      reset_transaction();
      authenticated_ = false;
      phase_ = kFresh;
      break;
    case Asked::starttls:
    case Asked::vrfy:
    case Asked::local:
      break;
    case Asked::auth:
      authenticated_ = true;
      break;
    case Asked::mail:
      phase_ = kMail;
      break;
    case Asked::rcpt:
      add_recipient();
      break;
    case Asked::data:
      return start_message(wire);
    case Asked::end:
      return message_answered(wire);
  }
  say(wire);
}

void ServerMachine::add_recipient() {
  assert(in_transaction());
  known_recipients_.push_back(std::move(candidate_key_));
  envelope_.recipients.push_back(std::move(candidate_));
  ++rcpts_;
  phase_ = kRcpt;
}

// The transaction is agreed on: DATA's message or the first chunk comes next. The one place where message
// octets begin.
void ServerMachine::start_message(std::string_view wire) {
  assert(phase_ == kRcpt && rcpts_ > 0);
  DataLimits limits;
  limits.message_size = options_.message_size;
  limits.header_size = options_.header_size;
  limits.normalise = options_.normalise_newlines;
  limits.local_lines = options_.local_dialogue;
  reader_ = DataReader(limits);
  if (bdat_) {
    phase_ = kChunks;
    chunks_ = 0;
    reader_.begin_chunks();
    return start_chunk();
  }
  reader_.begin_dot();
  mode_ = Mode::data;
  say(wire, true);
}

void ServerMachine::start_chunk() {
  ++chunks_;
  reader_.begin_chunk(chunk_.octets, chunk_.last);
  mode_ = Mode::chunk;
}

void ServerMachine::refuse(Reply reply, bool close_after) {
  Asked asked = std::exchange(asked_, Asked::nothing);
  if (asked == Asked::nothing) return;
  bool closes = close_after || reply.code == 421 || reply.code == 521;
  if (asked == Asked::end) {
    asked_ = asked;
    proceed(reply.wire());
  } else if (asked == Asked::data && bdat_ && !closes) {
    fail_chunk(reply);
  } else {
    if (asked == Asked::rcpt) rcpt_refused_ = true;
    if (asked == Asked::data) reset_transaction();
    say(reply.wire(), closes);
    count_error(reply.code);
  }
  if (!closes) return;
  reset_transaction();
  close(true);
}

// After AskEnd. LMTP answers once for each RCPT that was accepted; a message with a defect gets the defect's
// reply whatever policy said.
void ServerMachine::message_answered(std::string_view wire) {
  std::string defect = std::move(refusal_);
  refusal_.clear();
  if (!defect.empty()) wire = defect;
  for (uint32_t i = 0; i < (options_.lmtp ? rcpts_ : 1); ++i) say(wire);
  finish_message(static_cast<uint16_t>((wire[0] - '0') * 100));
}

void ServerMachine::finish_message(uint16_t code) {
  if (code < 300) junk_ = 0;
  reset_transaction();
  reset_notice_ = false;  // the session knows: it answered
  count_error(code);
}

void ServerMachine::accept_each(std::vector<Reply> replies) {
  if (asked_ != Asked::end) return;
  if (replies.size() != rcpts_ || !options_.lmtp || !refusal_.empty())
    return replies.empty() ? accept() : accept(std::move(replies.front()));
  asked_ = Asked::nothing;
  uint16_t best = 500;
  for (const Reply& reply : replies) {
    say(reply.wire());
    best = std::min(best, reply.code);
  }
  finish_message(best);
}

void ServerMachine::challenge(std::string_view base64) {
  if (asked_ != Asked::auth) return;
  asked_ = Asked::nothing;
  mode_ = Mode::auth_line;
  synchronising_ = true;
  say(std::string("334 ").append(base64).append("\r\n"), true);
}

void ServerMachine::tls_started() {
  reset_transaction();
  tls_ = true;
  authenticated_ = false;
  phase_ = kFresh;
}

void ServerMachine::end(Reply reply) {
  if (closing_) return;
  asked_ = Asked::nothing;
  synchronising_ = false;
  reset_transaction();
  say(reply.wire(), true);
  close(true);
}

void ServerMachine::say(std::string_view wire, bool flush) {
  forget_sent();
  out_.append(wire);
  flush_ = flush_ || flush;
}

ServerStep ServerMachine::reject(const Answer& answer) {
  say(answer.reply().wire());
  count_error(answer.code);
  return pending();
}

// 4xx is never the client's fault.
void ServerMachine::count_error(uint16_t code) {
  if (code < 500 || closing_ || ++errors_ < options_.errors) return;
  too_many_ = true;
  reset_transaction();
  say("421 4.7.0 Too many errors\r\n", true);
  close(true);
}

void ServerMachine::close(bool error) {
  closing_ = true;
  close_error_ = error;
}

// The single way out of a transaction, whatever ended it. The envelope stays for those who tell of the end; the
// next MAIL begins a new one.
void ServerMachine::reset_transaction() {
  reset_notice_ = reset_notice_ || in_transaction();
  if (phase_ != kFresh) phase_ = kReady;
  mode_ = Mode::commands;
  candidate_ = Recipient();
  known_recipients_.clear();
  if (known_recipients_.capacity() > kKeptRecipients) known_recipients_.shrink_to_fit();
  rcpts_ = chunks_ = 0;
  rcpt_refused_ = false;
}

}  // namespace veredus
