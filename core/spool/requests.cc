// Each request: what it writes, and what the index says afterwards.
#include "spool/requests.h"

#include "base/checksum.h"
#include "spool/bodies.h"

namespace veredus::spool_detail {

namespace {

constexpr uint64_t kChange = 80;  // a state or finished record without its texts

class StoreOp final : public Op {
 public:
  explicit StoreOp(std::shared_ptr<const Message> message) : message_(std::move(message)) {
    const Content& content = message_->content;
    std::string envelope = encode_envelope(message_->envelope);
    MessagePrefix prefix;
    prefix.envelope_length = static_cast<uint32_t>(envelope.size());
    prefix.head_length = static_cast<uint32_t>(content.head.size());
    prefix.recipients = static_cast<uint32_t>(message_->envelope.recipients.size());
    if (content.memory) {
      body_ = std::string_view(*content.memory).substr(std::min<uint64_t>(content.skip, content.memory->size()));
      prefix.body_size = body_.size();
    } else if (content.file) {
      file_ = std::dynamic_pointer_cast<SpoolBody>(content.file);
      prefix.in_file = true;
      prefix.body_id = file_ ? file_->id() : 0;
      prefix.body_size = content.file->size();
      prefix.skip = content.skip;
    }
    front_ = encode_prefix(prefix) + envelope;
    crc_ = crc32(content.head, crc32(front_));
    if (!body_.empty()) crc_ = crc32(body_, crc_);
    check();
  }

  uint64_t size() const override { return record_size(length()); }
  bool new_mail() const override { return true; }

  void plan(Planner& planner) override {
    MessageId id = message_->envelope.id;
    if (planner.index().find(id)) error = fail(Errc::exists, "a message " + id.text() + " is stored already");
    if (!error) place_ = planner.add(RecordType::message, id, crc_, {front_, message_->content.head, body_});
  }

  void committed(Index& index) override {
    if (error) return;
    Index::NewMessage made{message_->envelope.id, place_, static_cast<uint32_t>(length()), 0, 0, {}};
    made.recipients = static_cast<uint32_t>(message_->envelope.recipients.size());
    if (file_) {
      made.body_id = file_->id();
      file_->mark_stored();
    }
    index.put(made);
  }

 private:
  uint64_t length() const { return front_.size() + message_->content.head.size() + body_.size(); }

  void check() {
    if (!message_->envelope.id || message_->envelope.recipients.empty())
      error = fail(Errc::invalid, "a message needs an id and a recipient");
    else if (message_->content.file && (!file_ || message_->content.skip > file_->size()))
      error = fail(Errc::invalid, "the body is not of this spool");
    else if (length() > kMostPayload)
      error = fail(Errc::limit, "the message is too large for one record");
  }

  std::shared_ptr<const Message> message_;
  std::shared_ptr<SpoolBody> file_;
  std::string front_;
  std::string_view body_;
  uint32_t crc_ = 0;
  Place place_;
};

void plan_finish(Planner& planner, MessageId id, const std::string& last_status) {
  for (uint32_t home : planner.index().homes(id))
    planner.change({RecordType::finished, id, encode_finished(home, last_status), 0, true, home});
  if (uint64_t body = planner.index().forget(id)) planner.body_done(body);
}

class ChangesOp final : public Op {
 public:
  ChangesOp(std::vector<StateChange> changes, bool durable) : changes_(std::move(changes)), durable_(durable) {}
  uint64_t size() const override {
    uint64_t sum = 0;
    for (const StateChange& change : changes_) sum += kChange + change.status.reply.size() + change.status.rule.size();
    return sum;
  }
  bool durable() const override { return durable_; }
  bool keeps() const override { return true; }

  void plan(Planner& planner) override {
    for (const StateChange& change : changes_) {
      const Entry* entry = planner.index().find(change.id);
      if (!entry || change.recipient >= entry->recipients) continue;  // finished before: nothing to say
      bool final = is_final(change.status.state);
      std::string payload = encode_status(change.recipient, change.status);
      if (final && planner.index().would_finish(change.id, change.recipient))
        plan_finish(planner, change.id, payload);
      else
        planner.change({RecordType::status, change.id, std::move(payload), change.recipient, final, 0});
    }
    if (!planner.segment()) error = fail(Errc::io, "the spool cannot be written; the change is kept in memory");
  }

 private:
  std::vector<StateChange> changes_;
  bool durable_;
};

class FinishOp final : public Op {
 public:
  FinishOp(MessageId id, uint32_t home) : id_(id), home_(home) {}
  uint64_t size() const override { return kChange; }
  bool durable() const override { return false; }
  bool keeps() const override { return true; }
  void plan(Planner& planner) override {
    planner.change({RecordType::finished, id_, encode_finished(home_, {}), 0, true, home_});
  }

 private:
  MessageId id_;
  uint32_t home_;
};

class EnvelopeOp final : public Op {
 public:
  explicit EnvelopeOp(std::shared_ptr<const Envelope> envelope) : envelope_(std::move(envelope)), octets_(encode_envelope(*envelope_)) {}
  uint64_t size() const override { return record_size(octets_.size()); }

  void plan(Planner& planner) override {
    auto before = planner.index().snapshot(envelope_->id);
    if (!before) {
      error = fail(Errc::not_found, "no such message");
      return;
    }
    if (before->marks.size() != envelope_->recipients.size()) {
      error = fail(Errc::invalid, "the recipients of a stored message keep their number");
      return;
    }
    before_ = before->envelope;
    planned_ = true;
    planner.index().set_envelope(envelope_->id, planner.add(RecordType::envelope, envelope_->id, crc32(octets_), {octets_}));
  }
  void undone(Index& index) override {
    if (planned_) index.set_envelope(envelope_->id, before_);
  }

 private:
  std::shared_ptr<const Envelope> envelope_;
  std::string octets_;
  Place before_;
  bool planned_ = false;
};

class MoveOp final : public Op {
 public:
  MoveOp(Snapshot before, std::string payload, Countdown& countdown)
      : before_(std::move(before)), payload_(std::move(payload)), crc_(crc32(payload_)), countdown_(countdown) {}
  uint64_t size() const override { return record_size(payload_.size()); }

  void plan(Planner& planner) override {
    if (planner.index().snapshot(before_.id) != before_) return;
    Place place = planner.add(RecordType::moved, before_.id, crc_, {payload_});
    Index::NewMessage made{before_.id, place, static_cast<uint32_t>(payload_.size()), 0, before_.body_id, {}};
    made.recipients = static_cast<uint32_t>(before_.marks.size());
    for (const RecipientMark& mark : before_.marks) made.finals.push_back(mark.final);
    planner.index().put(made);
    planned_ = true;
  }
  void undone(Index& index) override {
    if (planned_) index.restore(before_, static_cast<uint32_t>(before_.marks.size()));
  }
  void answered() override { countdown_.done(!error); }

 private:
  Snapshot before_;
  std::string payload_;
  uint32_t crc_;
  Countdown& countdown_;
  bool planned_ = false;
};

class CopyOp final : public Op {
 public:
  CopyOp(RecordType type, MessageId id, Place from, std::string payload, Countdown& countdown)
      : type_(type), id_(id), from_(from), payload_(std::move(payload)), countdown_(countdown) {}
  uint64_t size() const override { return record_size(payload_.size()); }

  void plan(Planner& planner) override {
    if (type_ == RecordType::finished) return plan_finished(planner);
    auto now = planner.index().snapshot(id_);
    if (!now) return;
    if (type_ == RecordType::envelope && now->envelope == from_) return set(planner.index(), write(planner));
    auto status = decode_status(payload_);
    if (!status || status->recipient >= now->marks.size() || now->marks[status->recipient].status != from_) return;
    recipient_ = status->recipient;
    final_ = now->marks[recipient_].final;
    set(planner.index(), write(planner));
  }
  void committed(Index& index) override {
    Segment* left = planned_ && type_ == RecordType::finished ? index.segment(from_.segment) : nullptr;
    auto home = decode_finished_home(payload_);
    if (!left || !home) return;
    auto count = left->finished_homes.find(*home);
    if (count != left->finished_homes.end() && --count->second == 0) left->finished_homes.erase(count);
  }
  void undone(Index& index) override {
    if (planned_ && type_ != RecordType::finished) set(index, from_);
  }
  void answered() override { countdown_.done(!error); }

 private:
  Place write(Planner& planner) {
    planned_ = true;
    return planner.add(type_, id_, crc32(payload_), {payload_});
  }
  void set(Index& index, Place place) {
    if (type_ == RecordType::envelope)
      index.set_envelope(id_, place);
    else
      index.set_status(id_, recipient_, place, final_);
  }
  void plan_finished(Planner& planner) {
    auto home = decode_finished_home(payload_);
    if (!home || !planner.index().finished_needed(from_.segment, *home)) return;
    write(planner);
    planner.index().finished_written(planner.segment(), *home);
  }

  RecordType type_;
  MessageId id_;
  Place from_;
  std::string payload_;
  Countdown& countdown_;
  uint32_t recipient_ = 0;
  bool final_ = false, planned_ = false;
};

}  // namespace

std::unique_ptr<Op> make_store(std::shared_ptr<const Message> message) { return std::make_unique<StoreOp>(std::move(message)); }

std::unique_ptr<Op> make_changes(std::vector<StateChange> changes, bool durable) {
  return std::make_unique<ChangesOp>(std::move(changes), durable);
}

std::unique_ptr<Op> make_envelope(std::shared_ptr<const Envelope> envelope) {
  return std::make_unique<EnvelopeOp>(std::move(envelope));
}

std::unique_ptr<Op> make_finish(MessageId id, uint32_t home) { return std::make_unique<FinishOp>(id, home); }

std::unique_ptr<Op> make_move(Snapshot before, std::string payload, Countdown& countdown) {
  countdown.add();
  return std::make_unique<MoveOp>(std::move(before), std::move(payload), countdown);
}

std::unique_ptr<Op> make_copy(RecordType type, MessageId id, Place from, std::string payload, Countdown& countdown) {
  countdown.add();
  return std::make_unique<CopyOp>(type, id, from, std::move(payload), countdown);
}

}  // namespace veredus::spool_detail
