// Lengths and checksums before octets; every length has a bound.
#include "spool/export_stream.h"

#include <algorithm>

#include "base/checksum.h"
#include "base/codec.h"

namespace veredus::spool_detail {

namespace {

constexpr uint32_t kFrontMagic = 0x73674D56, kPieceMagic = 0x63655056, kEndMagic = 0x646E4556;
constexpr uint32_t kMostFront = 256 << 20;
constexpr size_t kHeader = 12, kRead = 64 << 10;

std::string with_header(uint32_t magic, std::string_view octets) {
  std::string out;
  Writer to(out);
  to.u32(magic);
  to.u32(static_cast<uint32_t>(octets.size()));
  to.u32(octets.empty() ? 0 : crc32(octets));
  out += octets;
  return out;
}

struct Header {
  uint32_t magic = 0, length = 0, crc = 0;
};

Header read_header(std::string_view octets) {
  Reader in(octets);
  Header out;
  out.magic = in.u32();
  out.length = in.u32();
  out.crc = in.u32();
  return out;
}

Error damaged() { return fail(Errc::corrupt, "the exported stream is damaged"); }

}  // namespace

std::string encode_front(const ExportFront& front) {
  std::string octets;
  Writer out(octets);
  out.text(front.envelope);
  out.text(front.states);
  return with_header(kFrontMagic, octets);
}

std::string encode_piece(std::string_view octets) { return with_header(kPieceMagic, octets); }

std::string encode_end(uint64_t messages) {
  std::string octets;
  Writer(octets).u64(messages);
  return with_header(kEndMagic, octets);
}

Result<std::string> ExportReader::exactly(size_t count) {
  while (buffered_.size() < count) {
    Result<std::string> more = read_(std::max(kRead, std::min(count - buffered_.size(), kExportPiece)));
    if (!more) return more.error();
    if (more->empty()) return fail(Errc::corrupt, "the exported stream ends too early");
    buffered_ += *more;
  }
  std::string out = buffered_.substr(0, count);
  buffered_.erase(0, count);
  return out;
}

Status ExportReader::magic() {
  Result<std::string> line = exactly(kExportMagic.size());
  if (!line) return line.error();
  if (line.value() != kExportMagic) return fail(Errc::unsupported, "this is not a stream that `spool export` wrote");
  return {};
}

Result<std::optional<ExportFront>> ExportReader::front() {
  Result<std::string> octets = exactly(kHeader);
  if (!octets) return octets.error();
  Header header = read_header(octets.value());
  if ((header.magic != kFrontMagic && header.magic != kEndMagic) || header.length > kMostFront) return damaged();
  Result<std::string> payload = exactly(header.length);
  if (!payload) return payload.error();
  if (payload.value().empty() || crc32(payload.value()) != header.crc) return damaged();
  if (header.magic == kEndMagic) return std::optional<ExportFront>();
  Reader in(payload.value());
  ExportFront out;
  out.envelope = in.text();
  out.states = in.text();
  if (!in.ok()) return damaged();
  return std::optional<ExportFront>(std::move(out));
}

Result<std::string> ExportReader::piece() {
  Result<std::string> octets = exactly(kHeader);
  if (!octets) return octets.error();
  Header header = read_header(octets.value());
  if (header.magic != kPieceMagic || header.length > kExportPiece) return damaged();
  Result<std::string> payload = exactly(header.length);
  if (payload && !payload.value().empty() && crc32(payload.value()) != header.crc) return damaged();
  return payload;
}

}  // namespace veredus::spool_detail
