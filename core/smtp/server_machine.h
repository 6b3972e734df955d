// ServerMachine: the server's side of SMTP and LMTP without I/O. It is fed octets and returns what to do
// next: send a reply, ask for a decision (policy is the session's), take message octets, close. The same
// input gives the same answers however it is split. check (syntax, state) is here; ask is the returned Ask;
// proceed is the call that answers it. Belongs to one session.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mail/envelope.h"
#include "smtp/commands.h"
#include "smtp/data_reader.h"
#include "smtp/reply.h"
#include "smtp/server_steps.h"

namespace veredus {

class ServerMachine {
 public:
  explicit ServerMachine(ServerOptions options);

  // The greeting, or a refusal of the whole connection (554/421). `early`: the client had sent octets before.
  void greet(bool early);
  void refuse_connection(Reply reply);
  // Looks at `input` (everything buffered), says how much of it was used up, and what to do next. `early`
  // tells whether octets are already there although the client had to wait for this reply (RFC 2920); it is
  // looked at only while early_matters().
  struct Advance {
    size_t consumed;
    ServerStep step;
  };
  Advance advance(std::string_view input, bool early);
  bool early_matters() const {
    return synchronising_ && asked_ == Asked::nothing && !options_.local_dialogue;
  }

  void accept();                                 // the asked thing may happen, with the usual reply
  void accept(Reply reply);                      // the same with another positive reply
  void accept(std::string_view text);            // the usual code with this text (printable, ours)
  void refuse(Reply reply, bool close = false);  // 4xx/5xx; 421 and 521 always close
  void accept_each(std::vector<Reply> replies);  // LMTP after AskEnd: one reply per accepted RCPT, in order
  void challenge(std::string_view base64);       // AUTH: 334, then AskAuthLine
  void tls_started();                            // forget everything said before the handshake
  void end(Reply reply);  // out of turn: time-out, shutdown, too many octets (421 and close)
  void limit_errors(uint32_t errors) { options_.errors = errors; }  // under stress

  bool in_transaction() const { return phase_ == kMail || phase_ == kRcpt || phase_ == kChunks; }
  bool receiving_data() const { return mode_ == Mode::data || mode_ == Mode::chunk; }
  bool idle_before_mail() const {
    return mode_ == Mode::commands && !in_transaction() && asked_ == Asked::nothing;
  }
  bool closing() const { return closing_; }
  bool quit() const { return closing_ && !close_error_; }  // the client said QUIT
  void offer_auth(std::vector<std::string> mechanisms) { options_.auth_mechanisms = std::move(mechanisms); }
  bool encrypted() const { return tls_; }
  void set_authenticated(bool yes) { authenticated_ = yes; }  // by XCLIENT's LOGIN
  bool authenticated() const { return authenticated_; }
  bool too_many_errors() const { return too_many_; }
  bool broke_early_rule() const { return broke_early_rule_; }
  uint32_t error_count() const { return errors_; }
  uint32_t accepted_rcpts() const {
    return rcpts_;
  }  // RCPT commands answered with 250, repeated ones included
  const Envelope& envelope() const { return envelope_; }  // of the running or last transaction
  const Recipient& candidate() const { return candidate_; }  // the recipient asked about
  Envelope& envelope() { return envelope_; }              // hooks rewrite it

 private:
  enum Phase : uint8_t {
    kFresh = 1,
    kReady = 2,
    kMail = 4,
    kRcpt = 8,
    kChunks = 16,
    kFailed = 32,
    kAny = 63
  };
  enum class Mode : uint8_t { commands, long_line, auth_line, data, chunk, skip_chunk };
  enum class Asked : uint8_t { nothing, helo, xclient, starttls, auth, mail, rcpt, data, vrfy, local, end };
  enum VerbFlag : uint8_t { kPlain = 0, kJunk = 1, kSync = 2, kFlush = 4, kUtf8 = 8 };
  struct Verb;
  friend struct VerbTable;

  // server_machine.cc: octets in, steps out
  Advance dispatch(std::string_view input);
  Advance read_line(std::string_view input);
  Advance read_long_line(std::string_view input);
  Advance read_message(std::string_view input);
  Advance skip_chunk(std::string_view input);
  ServerStep command(std::string_view line, bool proper_end);
  ServerStep run_verb(const Verb& verb, std::string_view arguments);
  ServerStep pending();
  ServerStep message_read();
  ServerStep line_too_long();
  void check_early(bool early);
  void forget_sent();

  // server_verbs.cc: what each verb does
  static const Verb* find_verb(std::string_view name);
  ServerStep on_helo(std::string_view arguments);
  ServerStep on_ehlo(std::string_view arguments);
  ServerStep on_lhlo(std::string_view arguments);
  ServerStep on_mail(std::string_view arguments);
  ServerStep on_rcpt(std::string_view arguments);
  ServerStep on_data(std::string_view arguments);
  ServerStep on_bdat(std::string_view arguments);
  ServerStep on_rset(std::string_view arguments);
  ServerStep on_noop(std::string_view arguments);
  ServerStep on_quit(std::string_view arguments);
  ServerStep on_help(std::string_view arguments);
  ServerStep on_vrfy(std::string_view arguments);
  ServerStep on_expn(std::string_view arguments);
  ServerStep on_starttls(std::string_view arguments);
  ServerStep on_auth(std::string_view arguments);
  ServerStep on_xclient(std::string_view arguments);
  ServerStep on_xlocal(std::string_view arguments);
  ServerStep on_xqueue(std::string_view arguments);
  std::string with_origin(std::string_view arguments) const;
  ServerStep ask_helo(std::string_view name, bool extended);
  bool repeated_recipient();
  Answer chunk_problem(const ChunkArgument& chunk) const;
  ServerStep fail_chunk(const Reply& refusal);
  void chunk_skipped();
  Answer out_of_order() const;

  // server_answers.cc: the session's answers
  void proceed(std::string_view wire);
  void add_recipient();
  void start_message(std::string_view wire);
  void start_chunk();
  void message_answered(std::string_view wire);
  void finish_message(uint16_t code);
  void say(std::string_view wire, bool flush = false);
  ServerStep reject(const Answer& answer);
  void count_error(uint16_t code);
  void close(bool error);
  void reset_transaction();

  ServerOptions options_;
  Phase phase_ = kFresh;
  Mode mode_ = Mode::commands;
  Asked asked_ = Asked::nothing;
  bool greeted_ = false, extended_ = false, tls_ = false, authenticated_ = false;
  bool closing_ = false, close_error_ = false, too_many_ = false, broke_early_rule_ = false;
  bool reset_notice_ = false;   // a TransactionReset is due
  bool synchronising_ = false;  // the reply in `out_` had to be waited for
  bool sent_ = false, flush_ = false;
  uint32_t errors_ = 0, junk_ = 0, rcpts_ = 0, chunks_ = 0;
  bool rcpt_refused_ = false, bdat_ = false;
  size_t line_skipped_ = 0;  // of a line that is too long
  bool long_answer_ = false;  // it belongs to AUTH
  uint64_t skip_left_ = 0;   // of a chunk that is not wanted
  uint64_t skipped_ = 0;     // octets thrown away so far, all together
  ChunkArgument chunk_;
  std::string out_;
  std::string refusal_;  // wire form, sent when the unwanted chunk is over
  DataReader reader_;
  Envelope envelope_;
  Recipient candidate_;
  using RecipientKey = std::pair<size_t, std::string>;  // hash and key
  RecipientKey candidate_key_;
  std::vector<RecipientKey> known_recipients_;
};

}  // namespace veredus
