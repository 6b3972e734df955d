// Octets: those of one message on their way in: in memory up to spool_options.inline_size and under the memory budget, then in a file of the
// spool. The header block stays in memory. Belongs to a Transaction; destroying it frees everything. [loop]
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "inbound/memory_budget.h"
#include "inbound/session_context.h"
#include "mail/envelope.h"

namespace veredus {

class Octets {
 public:
  Octets(SessionContext& context, uint64_t inline_size, bool keep_header)
      : context_(context), inline_size_(inline_size), keep_header_(keep_header), share_(context.memory) {}

  // Room for what the client announced, within bounds.
  void expect(uint64_t octets) { expected_ = octets; }
  // So much more of the memory budget is used beside, by who fills this, while octets come.
  void use_beside(size_t octets) { beside_ = octets; }
  bool has_room_beside(size_t octets);
  // Takes octets without waiting; false: nothing was taken, the caller must await append().
  bool append_now(std::string_view octets);
  Task<void> append(std::string octets);
  void header_ends_here();
  void keep_header() { keep_header_ = true; }  // before any of the body came
  std::string_view header() const;  // once it is complete and until finish()
  // After finish(): the header block as received (empty unless it is kept).
  std::string_view kept_header(const Content& content) const;
  // Where the body begins; behind all octets when there was no end of a header.
  uint64_t body_start(const Content& content) const { return header_ended_ ? header_size_ : content.size(); }
  bool spilled() const { return spilled_; }
  bool any() const { return spilled_ || header_ended_ || !memory_.empty(); }

  // A failure of the spool, or a lack of memory, while they came is told here.
  Task<Result<Content>> finish();
  // They are no longer wanted.
  void drop();

 private:
  Task<void> spill(std::string octets);
  Task<void> write(std::string octets);
  bool must_spill(size_t more);

  SessionContext& context_;
  uint64_t inline_size_;
  uint64_t header_size_ = 0, expected_ = 0;
  size_t beside_ = 0;
  bool keep_header_;
  bool header_ended_ = false, spilled_ = false, unwanted_ = false;
  std::string memory_;  // all of the message, or what is not yet written
  std::string header_;  // kept for hooks when the message is in a file
  std::unique_ptr<BodyWriter> writer_;
  Status status_;
  BudgetShare share_;
};

}  // namespace veredus
