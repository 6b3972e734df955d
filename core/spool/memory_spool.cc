// The spool's twin in memory.
#include "spool/memory_spool.h"

#include <algorithm>

namespace veredus {

namespace {

struct MemoryBody final : LargeBody {
  uint64_t size() const override { return octets.size(); }
  Result<std::string> read(uint64_t offset, size_t count) override {
    if (offset > octets.size()) return fail(Errc::invalid, "offset beyond the end of the body");
    return octets.substr(offset, count);
  }
  std::string octets;
};

class MemoryBodyWriter final : public BodyWriter {
 public:
  Task<Status> append(std::string octets) override {
    body_->octets += octets;
    co_return Status{};
  }
  Task<Result<std::shared_ptr<LargeBody>>> finish() override { co_return std::shared_ptr<LargeBody>(body_); }

 private:
  std::shared_ptr<MemoryBody> body_ = std::make_shared<MemoryBody>();
};

RecipientStatus initial_status(const Envelope& envelope) {
  RecipientStatus status;
  if (envelope.held) status.state = RecipientState::held;
  if (envelope.held) status.reply = envelope.hold_reason;
  return status;
}

}  // namespace

Task<Status> MemorySpool::store(Loop&, std::shared_ptr<const Message> message) {
  co_await released_.wait(Deadline::never());
  if (store_error_) co_return *store_error_;
  Kept kept{message, std::vector<RecipientStatus>(message->envelope.recipients.size(), initial_status(message->envelope))};
  messages_[message->envelope.id] = std::move(kept);
  co_return Status{};
}

void MemorySpool::record(std::vector<StateChange> changes) {
  for (StateChange& change : changes) {
    changes_.push_back(change);
    auto found = messages_.find(change.id);
    if (found == messages_.end() || change.recipient >= found->second.recipients.size()) continue;
    auto& recipients = found->second.recipients;
    recipients[change.recipient] = change.status;
    if (std::all_of(recipients.begin(), recipients.end(), [](const RecipientStatus& s) { return is_final(s.state); }))
      messages_.erase(found);
  }
}

Task<Status> MemorySpool::record_now(Loop&, std::vector<StateChange> changes) {
  record(std::move(changes));
  co_return Status{};
}

Task<Status> MemorySpool::amend(Loop&, std::shared_ptr<const Envelope> envelope) {
  auto found = messages_.find(envelope->id);
  if (found == messages_.end()) co_return fail(Errc::not_found, "no such message");
  auto copy = std::make_shared<Message>(*found->second.message);
  copy->envelope = *envelope;
  found->second.message = std::move(copy);
  co_return Status{};
}

Task<Result<std::shared_ptr<const Message>>> MemorySpool::load(Loop&, MessageId id) {
  auto found = messages_.find(id);
  if (found == messages_.end()) co_return fail(Errc::not_found, "no such message");
  co_return found->second.message;
}

StoredMessage MemorySpool::describe(const Kept& kept) const {
  StoredMessage out;
  out.envelope = std::shared_ptr<const Envelope>(kept.message, &kept.message->envelope);
  out.size = kept.message->content.size();
  out.recipients = kept.recipients;
  return out;
}

Task<Result<StoredMessage>> MemorySpool::find(Loop&, MessageId id) {
  auto found = messages_.find(id);
  if (found == messages_.end()) co_return fail(Errc::not_found, "no such message");
  co_return describe(found->second);
}

Task<Status> MemorySpool::scan(Loop&, std::function<bool(const StoredMessage&)> visit) {
  std::vector<StoredMessage> all;
  for (const auto& [id, kept] : messages_) all.push_back(describe(kept));
  for (const StoredMessage& message : all)
    if (!visit(message)) break;
  co_return Status{};
}

Task<Result<std::unique_ptr<BodyWriter>>> MemorySpool::create_body(Loop&) {
  co_return std::unique_ptr<BodyWriter>(std::make_unique<MemoryBodyWriter>());
}

Task<Result<std::string>> MemorySpool::read_body(Loop&, std::shared_ptr<LargeBody> body, uint64_t offset, size_t count) {
  co_return body->read(offset, count);
}

Status MemorySpool::accepting() const {
  if (refusal_) return *refusal_;
  return {};
}

SpoolStatus MemorySpool::status() const {
  SpoolStatus out;
  out.messages = messages_.size();
  return out;
}

}  // namespace veredus
