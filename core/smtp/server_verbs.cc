// The command table and what each verb checks before it asks the session.
#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "base/text.h"
#include "smtp/server_machine.h"
#include "smtp/server_verb.h"

namespace veredus {

struct VerbTable {
  using M = ServerMachine;
  static constexpr uint8_t kIdle = M::kFresh | M::kReady;
  static constexpr std::array<ServerMachine::Verb, 18> kRows{{
      {"MAIL", &M::on_mail, M::kReady, M::kUtf8},
      {"RCPT", &M::on_rcpt, M::kMail | M::kRcpt, M::kUtf8},
      {"DATA", &M::on_data, M::kMail | M::kRcpt, M::kSync | M::kFlush},
      {"BDAT", &M::on_bdat, M::kAny, M::kPlain},
      {"EHLO", &M::on_ehlo, M::kAny, M::kSync | M::kFlush | M::kJunk},
      {"HELO", &M::on_helo, M::kAny, M::kSync | M::kFlush | M::kJunk},
      {"LHLO", &M::on_lhlo, M::kAny, M::kSync | M::kFlush | M::kJunk},
      {"RSET", &M::on_rset, M::kAny, M::kJunk},
      {"QUIT", &M::on_quit, M::kAny, M::kFlush},
      {"NOOP", &M::on_noop, M::kAny, M::kFlush | M::kJunk},
      {"HELP", &M::on_help, M::kAny, M::kJunk},
      {"VRFY", &M::on_vrfy, M::kAny, M::kFlush | M::kJunk | M::kUtf8},
      {"EXPN", &M::on_expn, M::kAny, M::kFlush | M::kJunk | M::kUtf8},
      {"STARTTLS", &M::on_starttls, kIdle, M::kSync | M::kFlush},
      {"AUTH", &M::on_auth, M::kReady, M::kSync | M::kFlush},
      {"XCLIENT", &M::on_xclient, kIdle, M::kSync | M::kFlush},
      {"XLOCAL", &M::on_xlocal, kIdle, M::kPlain},
      {"XQUEUE", &M::on_xqueue, kIdle, M::kFlush | M::kJunk},
  }};
};

namespace {

bool among(const std::vector<std::string>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& one) { return iequals(one, name); });
}

}  // namespace

const ServerMachine::Verb* ServerMachine::find_verb(std::string_view name) {
  for (const Verb& verb : VerbTable::kRows)
    if (verb.name.size() == name.size() && iequals(verb.name, name)) return &verb;
  return nullptr;
}

Answer ServerMachine::out_of_order() const {
  switch (phase_) {
    case kFresh:
      return {503, {5, 5, 1}, options_.lmtp ? "Send LHLO first" : "Send EHLO first"};
    case kReady:
      return {503, {5, 5, 1}, "Send MAIL first"};
    case kMail:
      return rcpt_refused_ ? Answer{554, {5, 5, 1}, "No valid recipients"}
                           : Answer{503, {5, 5, 1}, "Send RCPT first"};
    case kFailed:
      return {503, {5, 5, 1}, "A chunk failed, send RSET"};
    default:
      return {503, {5, 5, 1}, "Not now, a message is under way"};
  }
}

ServerStep ServerMachine::on_helo(std::string_view arguments) {
  return ask_helo(arguments, false);
}
ServerStep ServerMachine::on_ehlo(std::string_view arguments) {
  return ask_helo(arguments, true);
}

ServerStep ServerMachine::on_lhlo(std::string_view arguments) {
  if (!options_.lmtp) return reject({500, {5, 5, 1}, "This is not LMTP, use EHLO"});
  if (Answer refusal = check_helo_name(arguments)) return reject(refusal);
  asked_ = Asked::helo;
  extended_ = true;
  return AskHelo{std::string(arguments), true};
}

ServerStep ServerMachine::ask_helo(std::string_view name, bool extended) {
  if (options_.lmtp) return reject({500, {5, 5, 1}, "This is LMTP, use LHLO"});
  if (Answer refusal = check_helo_name(name)) return reject(refusal);
  asked_ = Asked::helo;
  extended_ = extended;
  return AskHelo{std::string(name), extended};
}

ServerStep ServerMachine::on_mail(std::string_view arguments) {
  bool tls_first = options_.auth_required && options_.starttls && !tls_ && options_.auth_mechanisms.empty();
  if (tls_first) return reject({530, {5, 7, 0}, "Must issue a STARTTLS command first"});
  if (options_.auth_required && !authenticated_) return reject({530, {5, 7, 0}, "Authentication required"});
  ParameterRules rules;
  rules.message_size = options_.message_size;
  rules.auth = !options_.auth_mechanisms.empty();
  rules.require_tls = tls_;
  envelope_ = Envelope();
  AskMail ask;
  ask.envelope = &envelope_;
  if (Answer refusal = parse_mail(with_origin(arguments), rules, envelope_, ask.declared_size)) return reject(refusal);
  asked_ = Asked::mail;
  return ask;
}

ServerStep ServerMachine::on_rcpt(std::string_view arguments) {
  ParameterRules rules;
  rules.smtputf8 = envelope_.smtputf8;
  candidate_ = Recipient();
  Answer refusal = parse_rcpt(with_origin(arguments), rules, candidate_);
  if (refusal) {
    rcpt_refused_ = true;
    return reject(refusal);
  }
  if (rcpts_ >= options_.recipients)
    return reject({452, {4, 5, 3}, "Too many recipients, send the rest later"});
  if (repeated_recipient()) {
    ++rcpts_;
    say("250 2.1.5 Ok\r\n");
    return pending();
  }
  asked_ = Asked::rcpt;
  return AskRcpt{&candidate_};
}

// "FROM:<root> BODY=8BITMIME" of a user of this host is "FROM:<root@origin> BODY=8BITMIME".
std::string ServerMachine::with_origin(std::string_view arguments) const {
  std::string out(arguments);
  if (options_.origin.empty()) return out;
  size_t open = out.find('<');
  if (open == std::string::npos || open + 1 == out.size()) return out;
  bool quoted = false, escaped = false;
  for (size_t at = open + 1; at < out.size(); ++at) {
    char c = out[at];
    if (std::exchange(escaped, false)) continue;
    if (c == '\\') escaped = true;
    else if (c == '"') quoted = !quoted;
    else if (!quoted && c == '@') return out;
    else if (!quoted && c == '>') {
      std::string_view name = std::string_view(out).substr(open + 1, at - open - 1);
      if (name.empty() || iequals(name, "postmaster")) return out;
      return out.insert(at, "@" + options_.origin);
    }
  }
  return out;
}

bool ServerMachine::repeated_recipient() {
  candidate_key_.second = candidate_.address.key();
  candidate_key_.first = std::hash<std::string>()(candidate_key_.second);
  return std::any_of(known_recipients_.begin(), known_recipients_.end(), [&](const RecipientKey& known) {
    return known.first == candidate_key_.first && known.second == candidate_key_.second;
  });
}

ServerStep ServerMachine::on_data(std::string_view arguments) {
  if (phase_ != kRcpt) return reject(out_of_order());
  if (!arguments.empty()) return reject({501, {5, 5, 4}, "DATA has no arguments"});
  asked_ = Asked::data;
  bdat_ = false;
  return AskData{false};
}

// Octets follow whatever the answer is: they are skipped before a refusal is sent. Where their number cannot
// be known, or is too large to skip, the connection ends.
ServerStep ServerMachine::on_bdat(std::string_view arguments) {
  auto chunk = parse_chunk(arguments);
  if (!chunk) {
    reset_transaction();
    say("501 5.5.4 Syntax: BDAT size [LAST]\r\n", true);
    close(true);
    return pending();
  }
  chunk_ = *chunk;
  if (Answer refusal = chunk_problem(chunk_)) return fail_chunk(refusal.reply());
  if (phase_ == kRcpt) {
    asked_ = Asked::data;
    bdat_ = true;
    return AskData{true};
  }
  start_chunk();
  return Again{};
}

Answer ServerMachine::chunk_problem(const ChunkArgument& chunk) const {
  if (phase_ != kRcpt && phase_ != kChunks) return out_of_order();
  uint64_t before = phase_ == kChunks ? reader_.size() : 0;
  if (before > options_.message_size || chunk.octets > options_.message_size - before)
    return {552, {5, 3, 4}, "Message size exceeds the limit"};
  if (phase_ == kChunks && chunks_ >= options_.chunks) return {552, {5, 3, 4}, "Too many chunks"};
  return {};
}

ServerStep ServerMachine::fail_chunk(const Reply& refusal) {
  refusal_ = refusal.wire();
  uint64_t patience = options_.message_size + 1'048'576;
  if (chunk_.octets > patience || skipped_ > patience - chunk_.octets) {
    reset_transaction();
    say(refusal_, true);
    close(true);
    return pending();
  }
  skipped_ += chunk_.octets;
  skip_left_ = chunk_.octets;
  mode_ = Mode::skip_chunk;
  return Again{};
}

void ServerMachine::chunk_skipped() {
  if (phase_ == kRcpt || phase_ == kChunks) {
    reset_transaction();
    if (!chunk_.last) phase_ = kFailed;
  }
  say(refusal_);
  count_error(static_cast<uint16_t>((refusal_[0] - '0') * 100));
}

ServerStep ServerMachine::on_rset(std::string_view arguments) {
  if (!arguments.empty()) return reject({501, {5, 5, 4}, "RSET has no arguments"});
  reset_transaction();
  say("250 2.0.0 Ok\r\n");
  return pending();
}

ServerStep ServerMachine::on_noop(std::string_view) {
  say("250 2.0.0 Ok\r\n");
  return pending();
}

ServerStep ServerMachine::on_quit(std::string_view arguments) {
  if (!arguments.empty()) return reject({501, {5, 5, 4}, "QUIT has no arguments"});
  reset_transaction();
  say("221 2.0.0 Bye\r\n", true);
  close(false);
  return pending();
}

ServerStep ServerMachine::on_help(std::string_view) {
  say("214 2.0.0 See RFC 5321\r\n");
  return pending();
}

ServerStep ServerMachine::on_vrfy(std::string_view arguments) {
  if (arguments.empty()) return reject({501, {5, 5, 4}, "An address is required"});
  if (options_.vrfy) {
    asked_ = Asked::vrfy;
    return AskVrfy{std::string(arguments)};
  }
  say("252 2.5.2 Not verified, but mail for it may be sent\r\n");
  return pending();
}

ServerStep ServerMachine::on_expn(std::string_view) {
  return reject({502, {5, 5, 1}, "EXPN is not offered"});
}

ServerStep ServerMachine::on_starttls(std::string_view arguments) {
  if (!options_.starttls || tls_) return reject({502, {5, 5, 1}, "STARTTLS is not offered"});
  if (authenticated_) return reject({503, {5, 5, 1}, "Not after AUTH"});
  if (!arguments.empty()) return reject({501, {5, 5, 4}, "STARTTLS has no arguments"});
  asked_ = Asked::starttls;
  return AskStartTls{};
}

ServerStep ServerMachine::on_auth(std::string_view arguments) {
  if (authenticated_) return reject({503, {5, 5, 1}, "Already authenticated"});
  CommandLine words = split_command(arguments);
  bool offered = among(options_.auth_mechanisms, words.verb);
  bool later = !tls_ && !offered && (among(options_.auth_inside_tls, words.verb) ||
                                     (options_.auth_mechanisms.empty() && !options_.auth_inside_tls.empty()));
  if (later) return reject({538, {5, 7, 11}, "Encryption required, send STARTTLS first"});
  if (options_.auth_mechanisms.empty()) return reject({502, {5, 5, 1}, "AUTH is not offered"});
  if (arguments.empty()) return reject({501, {5, 5, 4}, "Syntax: AUTH mechanism [initial-response]"});
  if (!offered) return reject({504, {5, 5, 4}, "Mechanism is not offered"});
  asked_ = Asked::auth;
  return AskAuth{std::string(words.verb), std::string(words.arguments), !words.arguments.empty()};
}

ServerStep ServerMachine::on_xlocal(std::string_view arguments) {
  if (!options_.local_dialogue) return reject({500, {5, 5, 1}, "Command not recognised"});
  asked_ = Asked::local;
  return AskLocal{false, std::string(arguments)};
}

ServerStep ServerMachine::on_xqueue(std::string_view arguments) {
  if (!options_.local_dialogue) return reject({500, {5, 5, 1}, "Command not recognised"});
  asked_ = Asked::local;
  return AskLocal{true, std::string(arguments)};
}

ServerStep ServerMachine::on_xclient(std::string_view arguments) {
  if (!options_.xclient) return reject({550, {5, 7, 0}, "XCLIENT is not allowed"});
  auto attributes = parse_xclient(arguments);
  if (!attributes) return reject({501, {5, 5, 4}, "Bad XCLIENT attribute"});
  asked_ = Asked::xclient;
  return AskXclient{std::move(*attributes)};
}

}  // namespace veredus
