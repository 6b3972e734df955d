// Transaction: one message on its way in: its octets, in memory up to spool_options.inline_size and under the
// memory budget, then in a file of the spool; and what hooks have said of it so far. Dies with the
// transaction, which frees everything. Belongs to one session. [loop]
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hooks/hooks.h"
#include "inbound/memory_budget.h"
#include "inbound/session_context.h"
#include "mail/envelope.h"
#include "smtp/reply.h"

namespace veredus {

class Transaction {
 public:
  Transaction(SessionContext& context, MessageId id, uint64_t inline_size, bool keep_header)
      : id(id),
        context_(context),
        inline_size_(inline_size),
        keep_header_(keep_header),
        share_(context.memory) {}

  // Room for what the client announced, within bounds.
  void expect(uint64_t octets);
  // Keeps octets of the body for hooks of the stage `body`; false: hand over what is kept first.
  bool gather(std::string_view octets);
  // Takes octets without waiting; false: nothing was taken, the caller must await append().
  bool append_now(std::string_view octets);
  Task<void> append(std::string octets);
  void header_ends_here();
  std::string_view header() const;  // once it is complete and until finish()
  // After finish(): the header block as received, for those who may rewrite it (empty unless asked for when
  // the message began).
  std::string_view kept_header(const Content& content) const;
  bool spilled() const { return spilled_; }
  bool has_content() const { return spilled_ || header_ended_ || !memory_.empty(); }

  // The octets as received. A failure of the spool, or a lack of memory, while they came is told here.
  Task<Result<Content>> finish();
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
  bool streams = false;       // hooks want to see the body while it arrives
  bool own_8bit = false;      // hooks may rewrite it, so the octets stored are judged here:
  bool body_8bit = false;
  std::string chunk;          // of the body, gathered for them

 private:
  Task<void> spill(std::string octets);
  Task<void> write(std::string octets);
  bool must_spill(size_t more);

  SessionContext& context_;
  uint64_t inline_size_;
  uint64_t header_size_ = 0;
  bool keep_header_;
  bool header_ended_ = false, spilled_ = false, unwanted_ = false;
  std::string memory_;  // all of the message, or what is not yet written
  std::string header_;  // kept for hooks when the message is in a file
  std::unique_ptr<BodyWriter> writer_;
  Status status_;
  BudgetShare share_;
};

Reply storage_failure(const Error& error);  // 452 4.3.1 or 451 4.3.0

}  // namespace veredus
