// Encoding and decoding of records. Decoders believe nothing: every length is checked against what is there.
#include "spool/record.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "base/checksum.h"
#include "base/codec.h"
#include "base/text.h"

namespace veredus::spool_detail {

namespace {

constexpr size_t kMostReply = 400;
constexpr RecipientState kLastState = RecipientState::removed;

uint32_t header_crc(std::string_view octets, uint32_t salt) { return crc32(octets.substr(0, kHeaderSize - 4), salt); }

}  // namespace

std::array<char, kHeaderSize> encode_header(const RecordHeader& header, uint32_t salt) {
  std::string octets;
  octets.reserve(kHeaderSize);
  Writer out(octets);
  out.u32(kRecordMagic);
  out.u16(static_cast<uint16_t>(header.type));
  out.u16(header.flags);
  out.u32(header.length);
  out.u32(header.payload_crc);
  out.u64(header.id.value);
  out.u32(header.segment);
  out.u32(header_crc(octets.append(4, '\0'), salt));
  std::array<char, kHeaderSize> fixed;
  std::copy_n(octets.begin(), kHeaderSize - 4, fixed.begin());
  std::copy_n(octets.end() - 4, 4, fixed.end() - 4);
  return fixed;
}

std::optional<RecordHeader> decode_header(std::string_view octets, uint32_t salt) {
  if (octets.size() < kHeaderSize) return std::nullopt;
  Reader in(octets);
  if (in.u32() != kRecordMagic) return std::nullopt;
  RecordHeader out;
  out.type = static_cast<RecordType>(in.u16());
  out.flags = in.u16();
  out.length = in.u32();
  out.payload_crc = in.u32();
  out.id.value = in.u64();
  out.segment = in.u32();
  if (in.u32() != header_crc(octets, salt) || out.length > kMostPayload) return std::nullopt;
  return out;
}

bool MessagePrefix::fits(uint64_t payload) const {
  uint64_t known = kMessagePrefix + uint64_t{envelope_length} + head_length;
  if (in_file) return known == payload && skip <= body_size;
  return skip == 0 && known <= payload && payload - known == body_size;
}

std::string encode_prefix(const MessagePrefix& prefix) {
  std::string octets;
  Writer out(octets);
  out.u32(prefix.envelope_length);
  out.u32(prefix.head_length);
  out.u32(prefix.recipients);
  out.u32(prefix.in_file ? 1 : 0);
  out.u64(prefix.body_id);
  out.u64(prefix.body_size);
  out.u64(prefix.skip);
  return octets;
}

std::optional<MessagePrefix> decode_prefix(std::string_view octets) {
  Reader in(octets);
  MessagePrefix out;
  out.envelope_length = in.u32();
  out.head_length = in.u32();
  out.recipients = in.u32();
  uint32_t kind = in.u32();
  out.in_file = kind == 1;
  out.body_id = in.u64();
  out.body_size = in.u64();
  out.skip = in.u64();
  if (!in.ok() || kind > 1 || out.skip > out.body_size) return std::nullopt;
  return out;
}

std::optional<MessageView> view_message(RecordType type, std::string_view octets, uint64_t payload_length) {
  MessageView out;
  Reader in(octets);
  if (type == RecordType::moved) {
    out.states = in.text();
    out.head_at = 4 + out.states.size();
  }
  auto prefix = decode_prefix(in.octets(kMessagePrefix));
  if (!in.ok() || !prefix) return std::nullopt;
  out.prefix = *prefix;
  out.envelope = in.octets(prefix->envelope_length);
  // Every recipient takes an octet of the envelope at least: a count beyond that is not believed.
  if (!in.ok() || prefix->recipients > prefix->envelope_length || !prefix->fits(payload_length - out.head_at)) return std::nullopt;
  out.head_at += kMessagePrefix + prefix->envelope_length;
  return out;
}

size_t kept_size(RecordType type, std::string_view payload) {
  if (type == RecordType::status || type == RecordType::finished || type == RecordType::envelope) return payload.size();
  if (!is_message(type)) return 0;
  auto view = view_message(type, payload, payload.size());
  return view ? view->head_at : 0;
}

std::string encode_status(uint32_t recipient, const RecipientStatus& status) {
  std::string octets;
  Writer out(octets);
  out.u32(recipient);
  out.u8(static_cast<uint8_t>(status.state));
  out.u8(status.delay_warned ? 1 : 0);
  out.u16(status.attempts);
  out.i64(status.next_attempt.time_since_epoch().count());
  out.text(printable(status.reply, kMostReply));
  out.text(printable(status.rule, kMostReply));
  return octets;
}

std::optional<StatusPayload> decode_status(std::string_view octets) {
  Reader in(octets);
  StatusPayload out;
  out.recipient = in.u32();
  uint8_t state = in.u8();
  out.status.state = static_cast<RecipientState>(state);
  out.status.delay_warned = in.u8() & 1;
  out.status.attempts = in.u16();
  out.status.next_attempt = WallTime(Millis(in.i64()));
  out.status.reply = printable(in.text(), kMostReply);
  out.status.rule = printable(in.text(), kMostReply);
  if (!in.ok() || state > static_cast<uint8_t>(kLastState)) return std::nullopt;
  return out;
}

std::vector<StatusPayload> decode_states(std::string_view states) {
  std::vector<StatusPayload> out;
  for (Reader in(states); !in.at_end();)
    if (auto one = decode_status(in.text())) out.push_back(std::move(*one));
  return out;
}

std::string encode_finished(uint32_t home, std::string_view last_status) {
  std::string octets;
  Writer out(octets);
  out.u32(home);
  octets.append(last_status);
  return octets;
}

std::optional<uint32_t> decode_finished_home(std::string_view octets) {
  Reader in(octets);
  uint32_t home = in.u32();
  if (!in.ok()) return std::nullopt;
  return home;
}

std::string encode_start(const StartPayload& start) {
  std::string octets;
  Writer out(octets);
  out.u16(start.major);
  out.u16(start.minor);
  out.u32(static_cast<uint32_t>(start.abandoned.size()));
  for (const Abandoned& one : start.abandoned) {
    out.u32(one.segment);
    out.u64(one.offset);
  }
  return octets;
}

std::optional<StartPayload> decode_start(std::string_view octets) {
  Reader in(octets);
  StartPayload out;
  out.major = in.u16();
  out.minor = in.u16();
  uint32_t count = in.u32();
  if (!in.ok() || count > in.left() / 12) return std::nullopt;
  for (uint32_t i = 0; i < count; ++i) {
    Abandoned one;
    one.segment = in.u32();
    one.offset = in.u64();
    out.abandoned.push_back(one);
  }
  return out;
}

std::string encode_body_trailer(const BodyTrailer& trailer, uint32_t salt) {
  std::string octets;
  Writer out(octets);
  out.u32(kBodyMagic);
  out.u32(trailer.crc);
  out.u64(trailer.size);
  out.u32(0);
  out.u32(crc32(octets, salt));
  return octets;
}

std::optional<BodyTrailer> decode_body_trailer(std::string_view octets, uint32_t salt) {
  Reader in(octets);
  BodyTrailer out;
  uint32_t magic = in.u32();
  out.crc = in.u32();
  out.size = in.u64();
  in.u32();
  uint32_t crc = in.u32();
  if (!in.ok() || magic != kBodyMagic || crc != crc32(octets.substr(0, kBodyTrailerSize - 4), salt)) return std::nullopt;
  return out;
}

std::string encode_trailer(uint32_t segment, uint64_t footer_offset, uint32_t salt) {
  std::string octets;
  Writer out(octets);
  out.u32(kTrailerMagic);
  out.u32(segment);
  out.u64(footer_offset);
  out.u32(0);
  out.u32(crc32(octets, salt));
  return octets;
}

std::optional<uint64_t> decode_trailer(std::string_view octets, uint32_t segment, uint32_t salt) {
  Reader in(octets);
  uint32_t magic = in.u32();
  uint32_t number = in.u32();
  uint64_t offset = in.u64();
  in.u32();
  uint32_t crc = in.u32();
  bool good = in.ok() && magic == kTrailerMagic && number == segment;
  if (!good || crc != crc32(octets.substr(0, kTrailerSize - 4), salt)) return std::nullopt;
  return offset;
}

std::string segment_name(uint32_t number) {
  char text[40];
  std::snprintf(text, sizeof text, "segments/%08u.log", number);
  return text;
}

std::optional<uint32_t> segment_number(std::string_view file_name) {
  if (!file_name.ends_with(".log") || file_name.size() < 12) return std::nullopt;
  auto number = parse_uint(file_name.substr(0, file_name.size() - 4), UINT32_MAX);
  if (!number || *number == 0) return std::nullopt;
  return static_cast<uint32_t>(*number);
}

std::string body_name(uint64_t id) { return "bodies/" + MessageId{id}.text(); }

std::string encode_format(const FormatMark& mark) {
  char text[80];
  std::snprintf(text, sizeof text, "veredus-spool %u.%u\nsalt %08x\n", unsigned{mark.major}, unsigned{mark.minor}, mark.salt);
  return text;
}

std::optional<FormatMark> decode_format(std::string_view text) {
  unsigned major = 0, minor = 0, salt = 0;
  int read = std::sscanf(std::string(text).c_str(), "veredus-spool %5u.%5u\nsalt %8x\n", &major, &minor, &salt);
  if (read < 2 || major > UINT16_MAX || minor > UINT16_MAX) return std::nullopt;
  FormatMark out{static_cast<uint16_t>(major), static_cast<uint16_t>(minor), salt};
  if (read < 3 && out.major <= kFormatMajor) return std::nullopt;
  return out;
}

}  // namespace veredus::spool_detail
