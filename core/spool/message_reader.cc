// Records are checked whole when a message is loaded; for a description only what stands before head and body is read.
#include "spool/message_reader.h"

#include <algorithm>
#include <iterator>

#include "base/checksum.h"
#include "base/codec.h"
#include "spool/recovery.h"

namespace veredus::spool_detail {

namespace {

constexpr int kTries = 5;
constexpr size_t kFirstRead = 2048;

RecipientStatus initial_status(const Envelope& envelope) {
  RecipientStatus status;
  if (envelope.held) status.state = RecipientState::held;
  if (envelope.held) status.reply = envelope.hold_reason;
  return status;
}

Error damaged(Place place) {
  return fail(Errc::corrupt, "a damaged record in " + segment_name(place.segment) + " at " + std::to_string(place.offset()));
}

}  // namespace

Result<std::shared_ptr<File>> SegmentFiles::open(uint32_t segment) {
  for (Open& one : open_)
    if (one.file && one.segment == segment) return one.file;
  Result<std::shared_ptr<File>> file = storage_.open(segment_name(segment), OpenMode::read);
  if (file) open_[next_++ % std::size(open_)] = {segment, *file};
  return file;
}

template <typename T>
Result<T> MessageReader::retrying(MessageId id, Result<T> (MessageReader::*read)(const Snapshot&, SegmentFiles&), SegmentFiles& files) {
  std::optional<Error> last;
  for (int i = 0; i < kTries; ++i) {
    std::optional<Snapshot> known;
    {
      std::unique_lock lock(index_.mutex);
      known = index_.written_snapshot(lock, id);
    }
    if (!known) return fail(Errc::not_found, "no such message");
    Result<T> got = (this->*read)(*known, files);
    if (got) return got;
    std::lock_guard lock(index_.mutex);
    if (index_.snapshot(id) == known) {
      last = got.error().code == Errc::not_found ? fail(Errc::corrupt, got.error().text) : got.error();
      report(*known, *last);
      break;
    }
    last = got.error();
  }
  return *last;
}

Result<std::shared_ptr<const Message>> MessageReader::load(MessageId id) {
  SegmentFiles files(storage_);
  return retrying<std::shared_ptr<const Message>>(id, &MessageReader::load_at, files);
}

Result<StoredMessage> MessageReader::describe(MessageId id) {
  SegmentFiles files(storage_);
  return describe(id, files);
}

Result<StoredMessage> MessageReader::describe(MessageId id, SegmentFiles& files) {
  return retrying<StoredMessage>(id, &MessageReader::describe_at, files);
}

Result<RawRecord> MessageReader::read_record(Place place, MessageId id) {
  SegmentFiles files(storage_);
  return read_record(place, id, files);
}

Result<RawRecord> MessageReader::read_record(Place place, MessageId id, SegmentFiles& files) {
  Result<std::shared_ptr<File>> file = files.open(place.segment);
  if (!file) return file.error();
  std::string octets(kFirstRead, '\0');
  Result<size_t> got = (*file)->read(place.offset(), octets.data(), octets.size());
  if (!got) return got.error();
  octets.resize(*got);
  auto header = decode_header(octets, salt_);
  if (!header || header->segment != place.segment || header->id != id) return damaged(place);
  RawRecord out{*header, octets.substr(kHeaderSize, header->length)};
  if (out.payload.size() < header->length) {
    size_t there = out.payload.size();
    Result<std::string> rest = read_exactly(**file, place.offset() + kHeaderSize + there, header->length - there);
    if (!rest) return rest.error();
    out.payload += *rest;
  }
  if (crc32(out.payload) != header->payload_crc) return damaged(place);
  return out;
}

// The payload as far as its envelope; not checked.
Result<RawRecord> MessageReader::read_kept(const Snapshot& known, SegmentFiles& files) {
  Result<std::shared_ptr<File>> file = files.open(known.home.segment);
  if (!file) return file.error();
  RawRecord out;
  for (uint64_t count = kFirstRead;; count *= 8) {
    uint64_t whole = kHeaderSize + uint64_t{known.length};
    Result<std::string> octets = read_exactly(**file, known.home.offset(), static_cast<size_t>(std::min(count, whole)));
    if (!octets) return octets.error();
    auto header = decode_header(*octets, salt_);
    if (!header || header->id != known.id || header->segment != known.home.segment || header->length != known.length)
      return damaged(known.home);
    out = {*header, octets->substr(kHeaderSize)};
    if (view_message(header->type, out.payload, header->length)) return out;
    if (count >= whole) return damaged(known.home);
  }
}

Result<std::string> MessageReader::envelope_octets(const Snapshot& known, std::string_view stored, SegmentFiles& files) {
  if (!known.envelope) return std::string(stored);
  Result<RawRecord> record = read_record(known.envelope, known.id, files);
  if (!record) return record.error();
  return std::move(record->payload);
}

// A result that cannot be read counts as none: the recipient is tried again.
Result<std::vector<std::optional<RecipientStatus>>> MessageReader::results(const Snapshot& known, std::string_view states, SegmentFiles& files) {
  std::vector<std::optional<RecipientStatus>> out(known.marks.size());
  for (StatusPayload& state : decode_states(states))
    if (state.recipient < out.size()) out[state.recipient] = std::move(state.status);
  for (size_t i = 0; i < out.size(); ++i) {
    if (!known.marks[i].status) continue;
    Result<RawRecord> record = read_record(known.marks[i].status, known.id, files);
    if (!record && record.error().code != Errc::corrupt) return record.error();
    auto status = record ? decode_status(record->payload) : std::nullopt;
    if (status) out[i] = std::move(status->status);
  }
  return out;
}

Result<StoredMessage> MessageReader::describe_at(const Snapshot& known, SegmentFiles& files) {
  Result<RawRecord> record = read_kept(known, files);
  if (!record) return record.error();
  auto view = view_message(record->header.type, record->payload, record->header.length);
  Result<std::string> octets = envelope_octets(known, view->envelope, files);
  if (!octets) return octets.error();
  Result<Envelope> envelope = decode_envelope(*octets);
  if (!envelope) return fail(Errc::corrupt, "the envelope of " + known.id.text() + " makes no sense: " + envelope.error().text);
  auto found = results(known, view->states, files);
  if (!found) return found.error();
  StoredMessage out;
  out.size = view->prefix.content_size();
  for (auto& one : *found) out.recipients.push_back(one ? std::move(*one) : initial_status(*envelope));
  out.recipients.resize(envelope->recipients.size(), initial_status(*envelope));
  envelope->id = known.id;
  out.envelope = std::make_shared<const Envelope>(std::move(*envelope));
  return out;
}

Result<std::shared_ptr<const Message>> MessageReader::load_at(const Snapshot& known, SegmentFiles& files) {
  Result<RawRecord> record = read_record(known.home, known.id, files);
  if (!record) return record.error();
  auto view = view_message(record->header.type, record->payload, record->payload.size());
  if (!view) return damaged(known.home);
  Result<std::string> octets = envelope_octets(known, view->envelope, files);
  if (!octets) return octets.error();
  Result<Envelope> envelope = decode_envelope(*octets);
  if (!envelope) return fail(Errc::corrupt, "the envelope of " + known.id.text() + " makes no sense: " + envelope.error().text);
  auto out = std::make_shared<Message>();
  out->envelope = std::move(*envelope);
  out->envelope.id = known.id;
  out->content.head = record->payload.substr(view->head_at, view->prefix.head_length);
  out->content.skip = view->prefix.skip;
  if (!view->prefix.in_file) {
    record->payload.erase(0, view->head_at + view->prefix.head_length);
    out->content.memory = std::make_shared<const std::string>(std::move(record->payload));
  } else {
    Result<std::shared_ptr<LargeBody>> body = bodies_->open(view->prefix.body_id, view->prefix.body_size);
    if (!body) return body.error();
    out->content.file = std::move(*body);
  }
  return std::shared_ptr<const Message>(std::move(out));
}

Result<std::string> MessageReader::moved_payload(const Snapshot& known, RecordType type, std::string_view payload) {
  auto view = view_message(type, payload, payload.size());
  if (!view) return damaged(known.home);
  SegmentFiles files(storage_);
  auto found = results(known, view->states, files);
  if (!found) return found.error();
  Result<std::string> envelope = envelope_octets(known, view->envelope, files);
  if (!envelope) return envelope.error();
  std::string states;
  Writer states_out(states);
  for (uint32_t i = 0; i < found->size(); ++i)
    if ((*found)[i]) states_out.text(encode_status(i, *(*found)[i]));
  MessagePrefix prefix = view->prefix;
  prefix.envelope_length = static_cast<uint32_t>(envelope->size());
  std::string out;
  veredus::Writer(out).text(states);
  out += encode_prefix(prefix);
  out += *envelope;
  out += payload.substr(view->head_at);
  return out;
}

void MessageReader::report(const Snapshot& known, const Error& error) {
  if (access_ == Access::read_only) return;
  if (error.code != Errc::corrupt) {
    observer_.spool_event(SpoolEvent::read_failed, segment_name(known.home.segment), known.id.text() + ": " + error.text);
    return;
  }
  std::string detail = known.id.text() + ": " + error.text;
  Result<std::shared_ptr<File>> file = storage_.open(segment_name(known.home.segment), OpenMode::read);
  uint64_t from = known.home.offset();
  std::string copy = file ? set_aside(storage_, **file, known.id.text(), from, from + record_size(known.length)) : std::string();
  if (!copy.empty()) detail += "; a copy is in " + copy;
  observer_.spool_event(SpoolEvent::damaged, segment_name(known.home.segment), detail);
}

}  // namespace veredus::spool_detail
