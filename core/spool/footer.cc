// Footers: what a sealed segment says of itself, so that a start need not read the messages.
#include <algorithm>
#include <unordered_map>

#include "base/checksum.h"
#include "base/codec.h"
#include "spool/segment_reader.h"

namespace veredus::spool_detail {

namespace {

constexpr uint64_t kMostFooter = uint64_t{1} << 30;

// Keeps of each record what a footer says. A message whose end is in the same segment leaves nothing.
class FooterBuilder final : public RecordVisitor {
 public:
  explicit FooterBuilder(uint32_t number) : number_(number) {}

  void record(const RecordHeader& header, uint64_t offset, std::string_view payload) override {
    newest_ = std::max(newest_, header.id);
    if (header.type == RecordType::footer || header.type == RecordType::padding) return;
    if (header.type == RecordType::finished && decode_finished_home(payload) == number_) {
      ended_[header.id] = lines_.size();
      return;
    }
    size_t kept = header.type == RecordType::start ? payload.size() : kept_size(header.type, payload);
    lines_.push_back({header, offset, std::string(payload.substr(0, kept))});
  }
  void damage(uint64_t, uint64_t) override {}

  std::string payload() const {
    std::string octets;
    Writer out(octets);
    out.u64(newest_.value);
    for (size_t i = 0; i < lines_.size(); ++i) {
      const Line& line = lines_[i];
      auto ended = ended_.find(line.header.id);
      if (line.header.id && ended != ended_.end() && i < ended->second && line.header.type != RecordType::finished) continue;
      out.u16(static_cast<uint16_t>(line.header.type));
      out.u16(line.header.flags);
      out.u64(line.header.id.value);
      out.u64(line.offset);
      out.u32(line.header.length);
      out.u32(line.header.payload_crc);
      out.text(line.kept);
    }
    return octets;
  }

 private:
  struct Line {
    RecordHeader header;
    uint64_t offset;
    std::string kept;
  };
  uint32_t number_;
  MessageId newest_;
  std::vector<Line> lines_;
  std::unordered_map<MessageId, size_t> ended_;
};

// Without a visitor it only checks: nothing is believed of a footer that is wrong anywhere.
bool replay(std::string_view payload, uint32_t number, uint64_t end, uint64_t limit, RecordVisitor* visitor, MessageId& newest) {
  Reader in(payload);
  newest.value = in.u64();
  while (in.ok() && !in.at_end()) {
    RecordHeader header;
    header.type = static_cast<RecordType>(in.u16());
    header.flags = in.u16();
    header.id.value = in.u64();
    uint64_t offset = in.u64();
    header.length = in.u32();
    header.payload_crc = in.u32();
    header.segment = number;
    std::string_view kept = in.text();
    if (!in.ok() || offset % kAlignment != 0 || offset + record_size(header.length) > end) return false;
    if (offset >= limit) continue;
    if (visitor) visitor->record(header, offset, kept);
  }
  return in.ok();
}

// Zeroes behind the records are not wanted; a crash in between leaves a segment that is scanned again.
Status write_footer(File& file, uint32_t number, uint32_t salt, uint64_t end, const std::string& payload) {
  RecordHeader header{RecordType::footer, kSyncedBefore, static_cast<uint32_t>(payload.size()), crc32(payload), {}, number};
  auto head = encode_header(header, salt);
  std::string octets(head.begin(), head.end());
  octets += payload;
  octets.resize(record_size(payload.size()), '\0');
  octets += encode_trailer(number, end, salt);
  if (Status written = write_all(file, end, octets); !written) return written;
  if (Status cut = file.truncate(end + octets.size()); !cut) return cut;
  return file.sync();
}

}  // namespace

bool read_footer(File& file, uint64_t size, uint32_t number, uint32_t salt, uint64_t limit, RecordVisitor& visitor, MessageId& newest,
                 uint64_t& end) {
  if (size < kTrailerSize + kHeaderSize) return false;
  Result<std::string> tail = read_exactly(file, size - kTrailerSize, kTrailerSize);
  if (!tail) return false;
  auto at = decode_trailer(*tail, number, salt);
  if (!at || *at + kHeaderSize > size - kTrailerSize || size - *at > kMostFooter) return false;
  Result<std::string> octets = read_exactly(file, *at, static_cast<size_t>(size - kTrailerSize - *at));
  if (!octets) return false;
  std::string_view whole = *octets;
  auto header = decode_header(whole, salt);
  if (!header || header->type != RecordType::footer || header->segment != number) return false;
  if (record_size(header->length) != whole.size()) return false;
  std::string_view payload = whole.substr(kHeaderSize, header->length);
  if (crc32(payload) != header->payload_crc) return false;
  end = *at;
  return replay(payload, number, *at, limit, nullptr, newest) && replay(payload, number, *at, limit, &visitor, newest);
}

Status seal_segment(Storage& storage, uint32_t number, uint32_t salt, uint64_t limit) {
  Result<std::shared_ptr<File>> file = storage.open(segment_name(number), OpenMode::write);
  if (!file) return file.error();
  Result<uint64_t> size = (*file)->size();
  if (!size) return size.error();
  FileWindow window(**file, *size);
  FooterBuilder builder(number);
  ScanResult scanned = scan_segment(window, number, salt, limit, builder);
  if (scanned.unreadable) return fail(Errc::io, "some of " + segment_name(number) + " cannot be read");
  std::string payload = builder.payload();
  if (payload.size() > kMostFooter / 2) return fail(Errc::limit, "too many records for a footer");
  return write_footer(**file, number, salt, scanned.end, payload);
}

}  // namespace veredus::spool_detail
