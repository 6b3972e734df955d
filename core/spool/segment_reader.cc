// Scanning. A hole followed by a record that says everything before it was stable is damage; any other hole is a last group
// that the power took, of which what arrived still counts.
#include "spool/segment_reader.h"

#include <algorithm>
#include <cstring>

#include "base/checksum.h"

namespace veredus::spool_detail {

namespace {

constexpr uint64_t kWindow = uint64_t{1} << 20, kBlock = 4096;

bool is_zero(std::string_view octets) {
  return octets.empty() || (octets[0] == 0 && std::memcmp(octets.data(), octets.data() + 1, octets.size() - 1) == 0);
}

struct Hole {
  uint64_t from, to;
};

class Scan {
 public:
  Scan(FileWindow& window, uint32_t number, uint32_t salt, uint64_t limit, RecordVisitor& visitor)
      : window_(window), number_(number), salt_(salt), limit_(std::min(limit, window.size())), visitor_(visitor) {}

  ScanResult run() {
    uint64_t at = 0;
    while (at < limit_) {
      uint64_t found = next_record(at);
      if (found >= limit_) break;
      if (found > at) holes_.push_back({at, found});
      at = deliver(found);
    }
    ScanResult out;
    out.end = std::min(at, padded(limit_));
    torn_tail(out);
    out.unreadable = window_.unreadable();
    return out;
  }

 private:
  // The header at `offset`, if it is one of this segment and its record fits.
  std::optional<RecordHeader> header_at(uint64_t offset) {
    auto header = decode_header(window_.at(offset, kHeaderSize), salt_);
    if (!header || header->segment != number_ || offset + kHeaderSize + header->length > limit_) return std::nullopt;
    return header;
  }

  bool whole(uint64_t offset, const RecordHeader& header) {
    std::string_view payload = window_.at(offset + kHeaderSize, header.length);
    return payload.size() == header.length && crc32(payload) == header.payload_crc;
  }

  uint64_t next_record(uint64_t at) {
    auto here = header_at(at);
    if (here && whole(at, *here)) return at;
    // A good header with a bad payload is trusted for its length: nothing inside can pass for a record.
    uint64_t from = here ? at + record_size(here->length) : at + kAlignment;
    while (from < limit_) {
      from = next_magic(from);
      if (from >= limit_) break;
      auto header = header_at(from);
      if (header && whole(from, *header)) return from;
      from += header ? record_size(header->length) : kAlignment;
    }
    return limit_;
  }

  uint64_t next_magic(uint64_t from) {
    while (from < limit_) {
      std::string_view view = window_.at(from, std::min(kWindow, limit_ - from));
      for (size_t i = 0; i + sizeof kRecordMagic <= view.size(); i += kAlignment) {
        uint32_t word;
        std::memcpy(&word, view.data() + i, sizeof word);
        if (word == kRecordMagic) return from + i;
      }
      from += padded(view.size());
      if (view.empty()) break;
    }
    return limit_;
  }

  uint64_t deliver(uint64_t offset) {
    RecordHeader header = *header_at(offset);
    if (header.flags & kSyncedBefore) {
      for (const Hole& hole : holes_) visitor_.damage(hole.from, hole.to);
      holes_.clear();
    }
    visitor_.record(header, offset, window_.at(offset + kHeaderSize, header.length));
    uint64_t next = offset + record_size(header.length);
    bool trailer = header.type == RecordType::footer && decode_trailer(window_.at(next, kTrailerSize), number_, salt_);
    return trailer ? next + kTrailerSize : next;
  }

  void torn_tail(ScanResult& out) {
    uint64_t last = last_octet(out.end);
    if (holes_.empty() && last <= out.end) return;
    out.torn_from = holes_.empty() ? out.end : holes_.front().from;
    out.torn_to = std::max(last, holes_.empty() ? out.end : holes_.back().to);
  }

  // The end of what is not zero from `from` on.
  uint64_t last_octet(uint64_t from) {
    uint64_t last = from;
    for (uint64_t at = from; at < limit_; at += kWindow) {
      std::string_view view = window_.at(at, std::min(kWindow, limit_ - at));
      if (view.empty()) break;
      if (!is_zero(view)) last = at + view.find_last_not_of('\0') + 1;
    }
    return last;
  }

  FileWindow& window_;
  uint32_t number_;
  uint32_t salt_;
  uint64_t limit_;
  RecordVisitor& visitor_;
  std::vector<Hole> holes_;
};

}  // namespace

std::string_view FileWindow::at(uint64_t offset, uint64_t count) {
  if (offset >= size_) return {};
  count = std::min(count, size_ - offset);
  if (offset < start_ || offset + count > start_ + buffer_.size()) fill(offset, count);
  return std::string_view(buffer_).substr(offset - start_, count);
}

void FileWindow::fill(uint64_t offset, uint64_t count) {
  start_ = offset;
  buffer_.assign(std::min(std::max(count, kWindow), size_ - offset), '\0');
  if (Result<size_t> got = file_.read(offset, buffer_.data(), buffer_.size()); got) return;
  for (size_t at = 0; at < buffer_.size(); at += kBlock) {
    size_t piece = std::min<size_t>(kBlock, buffer_.size() - at);
    if (file_.read(offset + at, buffer_.data() + at, piece)) continue;
    unreadable_ = true;
    std::memset(buffer_.data() + at, 0xFF, piece);
  }
}

ScanResult scan_segment(FileWindow& window, uint32_t number, uint32_t salt, uint64_t limit, RecordVisitor& visitor) {
  return Scan(window, number, salt, limit, visitor).run();
}

}  // namespace veredus::spool_detail
