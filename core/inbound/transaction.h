// Transaction: one message on its way in: its octets, and what hooks have said of it so far. Dies with the transaction, which frees
// everything. Belongs to one session. [loop]
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hooks/hooks.h"
#include "inbound/octets.h"
#include "inbound/session_context.h"
#include "mail/envelope.h"
#include "smtp/reply.h"

namespace veredus {

class Transaction {
 public:
  Transaction(SessionContext& context, MessageId id, uint64_t inline_size, bool keep_header)
      : id(id), context_(context), inline_size_(inline_size), stored_(context, inline_size, keep_header) {}

  // Room for what the client announced, within bounds.
  void expect(uint64_t octets);
  // Hooks want to see the body while it arrives. keep_received: what they rewrite is wanted as it came, too.
  void stream(bool may_rewrite, bool keep_received);
  // Keeps octets of the body for hooks of the stage `body`; false: hand over what is kept first.
  bool gather(std::string_view octets);
  // A chunk of the body before hooks see it, for those who want it as it came.
  bool keeps_received() const { return received_.has_value(); }
  Task<void> keep(std::string chunk_as_received);

  // As in Octets: what is stored.
  bool append_now(std::string_view octets) { return stored_.append_now(octets); }
  Task<void> append(std::string octets) { return stored_.append(std::move(octets)); }
  void header_ends_here() { stored_.header_ends_here(); }
  std::string_view header() const { return stored_.header(); }
  std::string_view kept_header(const Content& content) const { return stored_.kept_header(content); }
  // The header has a field Authentication-Results that claims to be ours. Before any of the body came.
  void drop_forged_results() {
    stored_.keep_header();
    forged_results_ = true;
  }
  bool forged_results() const { return forged_results_; }
  bool spilled() const { return stored_.spilled(); }
  bool has_content() const { return stored_.any(); }
  Task<Result<Content>> finish();  // sets `original`
  // The message will be refused: its octets are no longer wanted.
  void drop();

  const MessageId id;
  // What hooks decided before the end of the message.
  Reply refusal;  // code != 0: sent at the end of the data
  bool discard = false, hold = false;
  bool close = false;  // after the refusal
  std::string rule;    // who decided
  std::vector<Edit> header_edits;  // wanted at `headers`, made when the message is complete
  struct Discarded {
    std::string address, rule;
  };
  std::vector<Discarded> discarded;        // recipients that a rule made away with; final when the message is accepted
  std::shared_ptr<const Message> message;  // once it is complete
  bool rewritten = false;  // a recipient is not what the client gave
  uint64_t declared_size = 0;
  std::string received;       // our trace field, when hooks at `headers` have been shown it
  std::optional<AsReceived> original;  // after finish()
  bool rewritten_body = false;  // a hook of `body` has changed octets
  bool streams = false;       // hooks want to see the body while it arrives
  bool own_8bit = false;      // hooks may rewrite it, so the octets stored are judged here:
  bool body_8bit = false;
  std::string chunk;          // of the body, gathered for them

 private:
  SessionContext& context_;
  uint64_t inline_size_;
  bool forged_results_ = false;
  Octets stored_;
  std::optional<Octets> received_;  // while a hook of `body` may change what is stored
};

Reply storage_failure(const Error& error);  // 452 4.3.1 or 451 4.3.0

}  // namespace veredus
