// What the replies of the next hop mean for the transaction and the connection.
#include "base/text.h"
#include "smtp/client_machine.h"

namespace veredus {

namespace {

using Fate = RecipientResult::Fate;

// RFC 5321 4.5.3.1.10: too many recipients. A full mailbox (x.2.2) concerns that recipient alone.
bool transaction_full(const Reply& reply) {
  if (reply.code == 452) return reply.enhanced.subject != 2;
  return reply.code == 552 && reply.enhanced == EnhancedCode{5, 5, 3};
}

bool ehlo_unknown(const Reply& reply) {
  return reply.code >= 500 && reply.code <= 504;
}

void take_feature(std::string_view line, PeerFeatures& features) {
  size_t end = std::min(line.find_first_of(" ="), line.size());
  std::string_view keyword = line.substr(0, end);
  std::string_view value = trimmed(line.substr(std::min(end + 1, line.size())));
  if (iequals(keyword, "PIPELINING")) features.pipelining = true;
  if (iequals(keyword, "CHUNKING")) features.chunking = true;
  if (iequals(keyword, "8BITMIME")) features.eight_bit = true;
  if (iequals(keyword, "SMTPUTF8")) features.smtputf8 = true;
  if (iequals(keyword, "DSN")) features.dsn = true;
  if (iequals(keyword, "STARTTLS")) features.starttls = true;
  if (iequals(keyword, "ENHANCEDSTATUSCODES")) features.enhanced = true;
  if (iequals(keyword, "REQUIRETLS")) features.require_tls = true;
  if (iequals(keyword, "SIZE")) {
    features.size_offered = true;
    features.size = parse_uint(value).value_or(0);
  }
  if (iequals(keyword, "AUTH"))
    for (std::string_view mechanism : split(value, ' '))
      if (!mechanism.empty()) features.auth.emplace_back(mechanism);
}

}  // namespace

void ClientMachine::handle(Expected expected, Reply reply) {
  if (reply.code == 421 && expected.phase != ClientPhase::quit) return on_closing(expected.phase, reply);
  switch (expected.phase) {
    case ClientPhase::banner: on_banner(std::move(reply)); break;
    case ClientPhase::helo: on_helo(std::move(reply)); break;
    case ClientPhase::starttls:
    case ClientPhase::auth: answer_ = std::move(reply); break;
    case ClientPhase::mail: on_mail(reply); break;
    case ClientPhase::rcpt: on_rcpt(results_[expected.index], std::move(reply)); break;
    case ClientPhase::data: on_data(reply); break;
    case ClientPhase::dot: on_dot(expected, reply); break;
    case ClientPhase::reset: on_reset(reply); break;
    case ClientPhase::quit: close(Reply()); break;
  }
  issue();
}

// 421 may answer anything; nothing after it counts.
void ClientMachine::on_closing(ClientPhase phase, const Reply& reply) {
  if (running()) {
    decide_rest(phase == ClientPhase::mail || phase == ClientPhase::reset ? Fate::untouched : Fate::refused, phase, reply);
    finish();
  }
  close(reply);
}

void ClientMachine::on_banner(Reply reply) {
  banner_ = std::move(reply);
  if (!banner_.positive()) return close(banner_);
  if (banner_.code != 220) return protocol_error("the greeting is " + banner_.joined());
  say_hello(options_.lmtp ? "LHLO" : "EHLO");
}

void ClientMachine::say_hello(std::string_view verb) {
  output_ += verb;
  output_ += ' ';
  output_ += options_.helo;
  output_ += "\r\n";
  expect(ClientPhase::helo);
}

void ClientMachine::on_helo(Reply reply) {
  if (ehlo_unknown(reply) && !options_.lmtp && !fell_back_) {
    fell_back_ = true;
    return say_hello("HELO");
  }
  if (!reply.positive()) return close(std::move(reply));
  if (reply.code != 250) return protocol_error("the answer to the handshake is " + reply.joined());
  if (!fell_back_) take_features(reply);
  greeted_ = true;
}

void ClientMachine::take_features(const Reply& reply) {
  features_.esmtp = true;
  for (size_t i = 1; i < reply.lines.size(); ++i) take_feature(trimmed(reply.lines[i]), features_);
}

void ClientMachine::on_reset(const Reply& reply) {
  if (reply.positive()) return;
  decide_rest(Fate::untouched, ClientPhase::reset, reply);
  finish();
  close(reply);
}

void ClientMachine::on_mail(const Reply& reply) {
  mail_answered_ = true;
  if (reply.code >= 300 && reply.code < 400) return protocol_error("the answer to MAIL is " + reply.joined());
  if (reply.positive()) return;
  decide_rest(Fate::refused, ClientPhase::mail, reply);
  cursor_ = Cursor::done;
}

void ClientMachine::on_rcpt(RecipientResult& result, Reply reply) {
  if (result.fate != Fate::open) return;
  if (reply.code >= 300 && reply.code < 400) return protocol_error("the answer to RCPT is " + reply.joined());
  result.stage = ClientPhase::rcpt;
  if (reply.positive()) {
    result.fate = Fate::accepted;
    ++accepted_;
    return;
  }
  result.fate = accepted_ > 0 && transaction_full(reply) ? Fate::later : Fate::refused;
  result.reply = std::move(reply);
}

void ClientMachine::on_data(const Reply& reply) {
  if (reply.positive() && reply.code != 354) return protocol_error("the answer to DATA is " + reply.joined());
  if (!reply.positive()) return decide_rest(Fate::refused, ClientPhase::data, reply);
  if (accepted_ > 0) return issue_content(ClientStep::Content::dotted);
  if (options_.lmtp) return protocol_error("354 although every recipient was refused");
  output_ += ".\r\n";
  expect(ClientPhase::dot);
}

// After the final dot the peer has left the transaction whatever it answers; after a refused BDAT it waits for RSET.
void ClientMachine::on_dot(Expected expected, const Reply& reply) {
  if (reply.positive() && (reply.code >= 300 || cut_off_)) return protocol_error("content is answered with " + reply.joined());
  if (reply.positive() || !features_.chunking) needs_reset_ = false;
  Fate fate = reply.positive() ? Fate::delivered : Fate::refused;
  if (!options_.lmtp) return decide_rest(fate, ClientPhase::dot, reply);
  RecipientResult& result = results_[expected.index];
  result.fate = fate;
  result.stage = ClientPhase::dot;
  result.reply = reply;
}

}  // namespace veredus
