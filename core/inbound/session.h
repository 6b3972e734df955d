// Session: the coroutine round a ServerMachine. It moves octets between stream and machine, answers the
// machine's questions by relay rules, limits and hooks, stores messages and hands them to the queue.
// session.cc has the conversation, session_tls.cc encryption, session_auth.cc authentication, session_commands.cc
// the answers before the data, session_message.cc those from the first octet of content on, session_store.cc
// storing and counting, session_hooks.cc what hooks say, session_local.cc what programs of this host may besides.
// Belongs to one loop.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "inbound/local_header.h"
#include "inbound/local_peer.h"
#include "inbound/proxy_header.h"
#include "inbound/relay_policy.h"
#include "inbound/senders.h"
#include "inbound/session_context.h"
#include "inbound/submission.h"
#include "inbound/transaction.h"
#include "net/stream.h"
#include "smtp/server_machine.h"

namespace veredus {

// Serves one connection until it ends. `ticket` is the right to the connection, given by the table that
// counts them; a listener with `proxy` gets a ticket that counts nobody, and asks for its own once the client
// is known.
Task<void> serve(SessionContext& context, std::unique_ptr<Stream> stream, ListenerSettings listener,
                 ConnectionTicket ticket = ConnectionTicket());

// The same for a program of this host, on the queue's loop.
Task<void> serve_local(SessionContext& context, std::unique_ptr<Stream> stream, LocalPeer peer);

class Session {
 public:
  Session(SessionContext& context, std::unique_ptr<Stream> stream, ListenerSettings listener,
          ConnectionTicket ticket);
  ~Session();
  Session(const Session&) = delete;

  void submits(LocalPeer peer);  // before run()
  Task<void> run();
  void say_goodbye_if_idle();  // the daemon stops

 private:
  friend class SessionContext;
  using Copies = std::vector<std::shared_ptr<Message>>;  // of one message, for groups of recipients
  struct Ruling {   // what a stage decided, in the session's words
    Reply refusal;  // code 0 = go on
    bool close = false;  // after the refusal
    bool discard = false, hold = false;
    VerdictScope scope = VerdictScope::step;
    std::string rule;
    std::vector<Edit> edits;
    std::optional<std::string> body;  // of a chunk that hooks rewrote
  };

  // session.cc
  Task<bool> open();
  Task<bool> read_proxy_header();
  void take_proxy_header(const ProxyHeader& header);
  Task<void> find_admission();
  Task<void> greet();
  Task<void> find_client_name();
  Task<void> linger();
  Task<void> converse();
  bool take_now(ServerMachine::Advance& advance);
  Task<void> perform(ServerMachine::Advance& advance);
  Task<void> need_input();
  void note_input(const Result<size_t>& octets);
  bool too_slow_or_too_much(size_t octets);
  Deadline input_deadline();
  Task<void> flush();
  void gather(const Send& send);
  void tighten_under_stress();
  void close();
  bool early() { return machine_->early_matters() && stream_->input_pending(); }
  ServerOptions machine_options() const;
  void refuse_connection(Reply reply, std::string_view reason);
  void note_refused(std::string_view reason, std::string_view reply);

  // session_commands.cc
  Task<void> on_helo(AskHelo ask);
  Task<void> on_xclient(AskXclient ask);
  Task<void> on_mail(AskMail ask);
  Task<void> on_rcpt();
  Task<void> on_data(bool bdat);
  Task<void> on_other();
  Reply mail_refusal(const Address& sender);
  Reply rcpt_refusal(const Recipient& recipient, RelayDecision& decision);
  void refuse_command(Reply reply, const EventDef& event, std::string_view address, bool close = false);
  bool apply_xclient(const Attributes& attributes);
  void find_rights();
  void begin_transaction(const AskMail& ask);
  void take_recipient(Recipient recipient, Ruling& ruling);
  void refuse_data(Reply reply, std::string_view rule, bool close);
  void abort_transaction(std::string_view reason);
  void end_transaction();

  // session_local.cc
  void make_local(ServerOptions& options) const;
  Task<void> on_local(AskLocal ask);
  Task<void> tell_queue();
  void mark_local(Envelope& envelope);
  bool keep_to_return(Recipient& recipient, const Reply& refusal);
  void note_submission(const Envelope& envelope);
  std::string client_text() const;
  bool mends() const { return submitter_ ? !submitter_->gateway : listener_.role == Role::submission; }
  Result<std::vector<Edit>> wanted_fixups(std::string_view header, const Envelope& envelope) const;

  // session_tls.cc
  Task<void> on_starttls();
  Task<void> start_tls();
  Task<bool> secure();
  void tls_failed(std::string_view reason);
  void take_facts(const TlsFacts& facts);
  Task<Status> ask_about_hello(TlsHello hello);

  // session_auth.cc
  std::vector<std::string> auth_mechanisms(bool encrypted) const;
  void offer_auth();
  Task<void> on_auth(AskAuth ask);
  Task<void> on_auth_line(AskAuthLine line);
  Task<void> go_on_with(SaslServerStep step);
  Task<Guess::Answer> may_guess(std::string account);
  Task<void> auth_not_now(Guess::Answer why, std::string account);
  Task<void> guessed_wrong(std::string account);
  Task<void> auth_accepted(SaslServerStep step);
  enum class AuthEnd : uint8_t { wrong, refused, temporary, blocked };  // wrong: a guess, it counts and costs time
  Task<void> auth_refused(std::string account, std::string reason, Reply reply, AuthEnd how, bool close = false);
  void count_auth(uint64_t InboundCounters::Auth::*what);
  Task<Reply> sender_refusal(std::string sender);
  Task<Reply> account_refusal(AccountRates::What what, uint32_t limit);
  Task<Reply> from_refusal(std::string header);

  // session_message.cc
  Task<void> on_content(std::string octets);
  bool headers_now(const HeadersDone& done);
  Task<void> on_headers();
  Task<void> pass_body(std::string chunk, bool last);
  void refuse_content(Ruling& ruling);
  Task<void> on_end(AskEnd end);
  Task<Reply> judge(Copies& copies);
  Task<Reply> mend(const Message& message);
  bool hides_client() const { return settings_->submission.hide_client && rights_.authenticated; }
  Task<Reply> ask_message(Copies& copies);
  Task<Reply> seal(Message& message);
  Subject message_subject(const Message& message) const;
  bool composes_results() const { return (hooks_.hooks->may() & kMayAuthResults) != 0; }
  Status edit(Copies& copies, std::span<const Edit> edits);
  void drop_copies_for_nobody(Copies& copies);

  // session_store.cc
  Task<void> store(Copies copies);
  Task<Status> own_bodies(Copies& copies);
  Task<Result<std::shared_ptr<LargeBody>>> copy_body(std::shared_ptr<LargeBody> from);
  void take_back(std::span<const std::shared_ptr<Message>> stored);
  void not_stored(const Envelope& envelope, const Error& error);
  void refuse_message(const Envelope& envelope, Reply reply);
  void message_refused(const Envelope& envelope, const Reply& reply, std::string_view rule);
  void message_discarded(const Envelope& envelope);
  void message_accepted(const Message& message);
  void count_discarded(std::string_view id, std::string_view address, std::string_view rule);

  // session_hooks.cc
  bool hooked(Stage stage) const { return Runner::any(stage, hooks_); }
  Subject subject() const;
  // Null: nobody listens, or every hook said `next`. Otherwise consult() is awaited.
  Asked ask_hooks(Stage stage) { return hooked(stage) ? ask_hooks(stage, subject()) : nullptr; }
  Asked ask_hooks(Stage stage, const Subject& shown) { return context_.runner.ask(stage, shown, hooks_); }
  Task<Ruling> consult(Asked asked);
  bool settle(Ruling& ruling);
  void keep_lasting(Ruling& ruling);
  void forget_helo();
  void forget_auth();
  void renew_lasting();
  void apply(std::span<const Edit> edits);
  void tell(Stage stage, const Envelope* envelope);

  SessionContext& context_;
  SettingsPtr settings_;
  std::unique_ptr<Stream> stream_;
  ListenerSettings listener_;
  ConnectionTicket ticket_;
  Admission admission_ = Admission::ok;
  std::optional<ServerMachine> machine_;
  HookState hooks_;
  std::unique_ptr<SaslServer> sasl_;  // of the AUTH under way
  std::string guessed_;               // the account that it has asked about
  GuessTurn guess_;                   // while it is decided whether that is right
  bool guess_counted_ = false;        // the client has still to acknowledge that its token is wrong
  std::string tenant_;                // of the account
  std::vector<Edit> auth_edits_;      // of `auth`, for every transaction
  std::vector<Edit> lasting_edits_;  // of `connect`, then of the last `helo`: for every transaction
  size_t connect_edits_ = 0;
  Notes connection_notes_;
  std::vector<AuthResult> auth_results_;  // of the connection, then of the transaction
  size_t connection_results_ = 0;
  Origin origin_;
  IpAddress local_;
  ClientRights rights_;
  std::unique_ptr<LocalPeer> submitter_;  // null: a client of the network
  std::unique_ptr<Transaction> transaction_;
  Reply standing_refusal_;  // a hook refused the rest of the transaction or of the connection
  VerdictScope standing_scope_ = VerdictScope::step;
  std::string out_;  // replies not yet sent
  std::string_view end_reason_ = "quit";
  bool over_ = false, flush_ = false, greeted_ = false, hooks_know_ = false;
  bool starting_tls_ = false, blocked_before_ = false;
  bool refusal_logged_ = false, tightened_ = false, waiting_ = false, progress_ = true;
  uint32_t messages_ = 0;
  uint64_t octets_ = 0;  // received
  Deadline command_deadline_;
  MonoTime rate_window_{};
  uint64_t rate_octets_ = 0;
  Session* next_ = nullptr;  // list of the context
  Session* previous_ = nullptr;
};

}  // namespace veredus
