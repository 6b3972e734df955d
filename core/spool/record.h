// What segments are made of, octet by octet: the record header, the payloads and their limits. veredus-spool(5) describes the
// same; numbers are little-endian and fixed once released. Values without I/O; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "spool/spool.h"

namespace veredus::spool_detail {

constexpr uint16_t kFormatMajor = 1, kFormatMinor = 0;
constexpr uint32_t kRecordMagic = 0x63655256;   // "VRec"
constexpr uint32_t kTrailerMagic = 0x646E4556;  // "VEnd"
constexpr size_t kHeaderSize = 32, kTrailerSize = 24, kAlignment = 8;
constexpr uint64_t kMostPayload = uint64_t{1} << 31, kMostSegment = uint64_t{1} << 32;

enum class RecordType : uint16_t {
  start = 1,      // first record of a segment
  message = 2,    // envelope, head, body or the name of its file
  status = 3,     // what became of one recipient
  finished = 4,   // every recipient is final: the message is forgotten
  envelope = 5,   // replaces the envelope of a message
  footer = 6,     // index of a sealed segment
  padding = 7,
  moved = 8,      // a message copied by compaction, with its results so far: one record, so that they survive together
};
constexpr uint16_t kSyncedBefore = 1;  // flag: everything before this record was stable when it was written

struct RecordHeader {
  RecordType type = RecordType::padding;
  uint16_t flags = 0;
  uint32_t length = 0;       // of the payload
  uint32_t payload_crc = 0;  // chained over all of it
  MessageId id;
  uint32_t segment = 0;
};

inline uint64_t padded(uint64_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }
inline bool is_message(RecordType type) { return type == RecordType::message || type == RecordType::moved; }
inline uint64_t record_size(uint64_t payload) { return kHeaderSize + padded(payload); }

// `salt` is the spool's secret number: octets of a message that look like records never pass for one.
std::array<char, kHeaderSize> encode_header(const RecordHeader& header, uint32_t salt);
std::optional<RecordHeader> decode_header(std::string_view octets, uint32_t salt);

// A message's payload: this, the envelope, the head, then the body unless it is in a file.
constexpr size_t kMessagePrefix = 40;
struct MessagePrefix {
  uint32_t envelope_length = 0;
  uint32_t head_length = 0;
  uint32_t recipients = 0;
  bool in_file = false;
  uint64_t body_id = 0;
  uint64_t body_size = 0;  // octets in this record, or of the whole file
  uint64_t skip = 0;       // of the file
  uint64_t content_size() const { return head_length + body_size - skip; }
  bool fits(uint64_t payload) const;
};
std::string encode_prefix(const MessagePrefix& prefix);
std::optional<MessagePrefix> decode_prefix(std::string_view octets);

// A record of type message or moved, as far as its envelope; `octets` is the payload or its kept part.
struct MessageView {
  std::string_view states;  // of a moved message: length-prefixed states
  MessagePrefix prefix;
  std::string_view envelope;
  uint64_t head_at = 0;  // offset of the head in the payload
};
std::optional<MessageView> view_message(RecordType type, std::string_view octets, uint64_t payload_length);
// What a footer keeps of a payload, and find() reads: everything but head and body.
size_t kept_size(RecordType type, std::string_view payload);

struct StatusPayload {
  uint32_t recipient = 0;
  RecipientStatus status;
};
std::string encode_status(uint32_t recipient, const RecipientStatus& status);
std::optional<StatusPayload> decode_status(std::string_view octets);
std::vector<StatusPayload> decode_states(std::string_view states);  // of a moved message

// The home is the segment that holds the message: this record is needed as long as that one exists.
std::string encode_finished(uint32_t home, std::string_view last_status);
std::optional<uint32_t> decode_finished_home(std::string_view octets);

struct Abandoned {  // after a failed write: nothing from `offset` on counts
  uint32_t segment = 0;
  uint64_t offset = 0;
};
struct StartPayload {
  uint16_t major = kFormatMajor, minor = kFormatMinor;
  std::vector<Abandoned> abandoned;
};
std::string encode_start(const StartPayload& start);
std::optional<StartPayload> decode_start(std::string_view octets);

std::string segment_name(uint32_t number);  // "segments/00000012.log"
std::optional<uint32_t> segment_number(std::string_view file_name);
std::string body_name(uint64_t id);  // "bodies/0D2K..."

// Follows the octets of a body in its file.
constexpr uint32_t kBodyMagic = 0x646F4256;  // "VBod"
constexpr size_t kBodyTrailerSize = 24;
struct BodyTrailer {
  uint64_t size = 0;
  uint32_t crc = 0;  // of the body
};
std::string encode_body_trailer(const BodyTrailer& trailer, uint32_t salt);
std::optional<BodyTrailer> decode_body_trailer(std::string_view octets, uint32_t salt);

// The last octets of a sealed segment: where its footer is.
std::string encode_trailer(uint32_t segment, uint64_t footer_offset, uint32_t salt);
std::optional<uint64_t> decode_trailer(std::string_view octets, uint32_t segment, uint32_t salt);

// The file `format`: which version wrote the spool, and the salt.
struct FormatMark {
  uint16_t major = kFormatMajor, minor = kFormatMinor;
  uint32_t salt = 0;
};
std::string encode_format(const FormatMark& mark);
std::optional<FormatMark> decode_format(std::string_view text);

}  // namespace veredus::spool_detail
