// ClientMachine: the client's side of SMTP and LMTP without I/O. The connection gives it reply octets and transactions; it says what to do
// next (write, read, nothing) and, per recipient, what the next hop said. Knows PIPELINING, CHUNKING, SIZE, 8BITMIME, SMTPUTF8, DSN.
// Belongs to one connection; must not know sockets, time or the queue.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mail/envelope.h"
#include "smtp/reply.h"
#include "smtp/reply_parser.h"

namespace veredus {

struct PeerFeatures {
  bool esmtp = false, pipelining = false, chunking = false, eight_bit = false, smtputf8 = false, dsn = false, starttls = false,
       enhanced = false, require_tls = false, size_offered = false;
  uint64_t size = 0;  // 0 = not declared
  std::vector<std::string> auth;
};

// What a reply is waited for; each has its own time-out.
enum class ClientPhase : uint8_t { banner, helo, starttls, auth, mail, rcpt, data, dot, reset, quit };

struct ClientOptions {
  std::string helo;
  bool lmtp = false;
  bool verified_tls = false;  // the connection is encrypted and the peer proven, as REQUIRETLS wants (RFC 8689)
  uint64_t together = 65536;  // content up to this size is sent with the envelope when the peer allows it
};

struct ClientStep {
  enum class Kind : uint8_t {
    read,      // feed() what comes, within the time-out of `phase`
    write,     // output(), then the content as `content` says, then wrote()
    ready,     // begin() or quit()
    finished,  // results(), then next()
    closed,    // close the connection; problem() says why, code 0 after QUIT
  } kind = Kind::read;
  ClientPhase phase = ClientPhase::banner;
  enum class Content : uint8_t { none, dotted, plain } content = Content::none;
};

struct RecipientResult {
  // later: refused only because the transaction was full; untouched: the connection ended before MAIL was answered.
  enum class Fate : uint8_t { open, accepted, delivered, refused, later, lost, untouched } fate = Fate::open;
  uint32_t recipient = 0;
  ClientPhase stage = ClientPhase::mail;  // where it was decided
  bool local = false;                     // decided here, by what the peer does not offer
  Reply reply;
};

class ClientMachine {
 public:
  explicit ClientMachine(ClientOptions options) : options_(std::move(options)) { expect(ClientPhase::banner); }

  ClientStep step() const;
  // Takes the replies that are waited for and leaves the rest.
  size_t feed(std::string_view octets);
  std::string_view output() const { return output_; }
  void wrote();
  void write_failed();  // the peer closed while we wrote; replies already here may still be fed, a positive one no longer counts
  // The connection ended or its time is up; what is open is decided with `why`.
  void lost(Reply why);

  // The message must outlive the transaction; `recipients` are indices in its envelope.
  void begin(const Message& message, std::span<const uint32_t> recipients);
  std::span<const RecipientResult> results() const { return results_; }
  bool uncertain() const { return uncertain_; }  // lost after the content was sent: it may have arrived
  void next();                                   // after finished
  void quit();
  // When ready, before the first transaction. The answer is answer(); whatever it is, the machine is ready again.
  void ask_tls();               // STARTTLS
  void tls_started(bool verified);  // forgets what the peer said before, and greets again
  void say_auth(std::string_view line);  // "AUTH PLAIN ...", or the answer to a 334
  const Reply& answer() const { return answer_; }

  const PeerFeatures& features() const { return features_; }
  bool keeps_tls() const { return options_.lmtp || (options_.verified_tls && features_.require_tls); }  // may have mail with REQUIRETLS
  const Reply& banner() const { return banner_; }
  const Reply& problem() const { return problem_; }
  uint64_t replies() const { return replies_; }  // answered so far
  bool greeted() const { return greeted_; }  // the handshake is over

 private:
  struct Expected {
    ClientPhase phase;
    uint32_t index;  // of the result, for rcpt and for LMTP's dot
  };
  enum class Cursor : uint8_t { mail, rcpt, data, done };

  void expect(ClientPhase phase, uint32_t index = 0) { expected_.push_back({phase, index}); }
  void handle(Expected expected, Reply reply);
  void on_closing(ClientPhase phase, const Reply& reply);
  void protocol_error(const std::string& text);
  void on_banner(Reply reply);
  void on_helo(Reply reply);
  void take_features(const Reply& reply);
  void on_mail(const Reply& reply);
  void on_rcpt(RecipientResult& result, Reply reply);
  void on_data(const Reply& reply);
  void on_dot(Expected expected, const Reply& reply);
  void on_reset(const Reply& reply);
  void say_hello(std::string_view verb);

  bool running() const { return message_ && !finished_; }
  bool outstanding() const { return answered_ < expected_.size(); }
  void refuse_locally();
  void issue();
  bool issue_one();
  void issue_mail();
  void issue_rcpt();
  bool issue_data();
  void issue_content(ClientStep::Content form);
  // Every recipient that is open or accepted.
  void decide_rest(RecipientResult::Fate fate, ClientPhase stage, const Reply& reply);
  void finish();
  void close(Reply why);

  ClientOptions options_;
  ReplyParser parser_;
  PeerFeatures features_;
  Reply banner_, problem_, answer_;
  std::string output_;
  std::vector<Expected> expected_;
  size_t answered_ = 0;  // of expected_
  uint64_t replies_ = 0;
  bool greeted_ = false, closed_ = false, fell_back_ = false, needs_reset_ = false;

  const Message* message_ = nullptr;
  std::vector<RecipientResult> results_;
  Cursor cursor_ = Cursor::done;
  size_t next_rcpt_ = 0;
  size_t accepted_ = 0;
  bool mail_answered_ = false, content_sent_ = false, cut_off_ = false, uncertain_ = false, finished_ = false;
  bool eight_bit_ = false, utf8_ = false;
  ClientStep::Content content_ = ClientStep::Content::none;
};

}  // namespace veredus
