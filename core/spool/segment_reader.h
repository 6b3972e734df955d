// Reading one segment: every record that is whole, in order, whatever lies between; or its footer. Blocking; any thread.
#pragma once

#include <functional>
#include <memory>

#include "spool/record.h"
#include "spool/storage.h"

namespace veredus::spool_detail {

// A view of a file through a buffer. Blocks that cannot be read look like damage: the rest of the file still counts.
class FileWindow {
 public:
  FileWindow(File& file, uint64_t size) : file_(file), size_(size) {}
  std::string_view at(uint64_t offset, uint64_t count);  // valid until the next call; shorter at the end of the file
  uint64_t size() const { return size_; }
  bool unreadable() const { return unreadable_; }

 private:
  void fill(uint64_t offset, uint64_t count);
  File& file_;
  uint64_t size_;
  uint64_t start_ = 0;
  std::string buffer_;
  bool unreadable_ = false;
};

class RecordVisitor {
 public:
  virtual ~RecordVisitor() = default;
  // `payload` is whole and checked when a segment is scanned, the kept part when its footer is read.
  virtual void record(const RecordHeader& header, uint64_t offset, std::string_view payload) = 0;
  virtual void damage(uint64_t from, uint64_t to) = 0;
};

struct ScanResult {
  uint64_t end = 0;         // where the next record would begin
  uint64_t torn_from = 0;   // a last group that was never stable; nothing when equal to torn_to
  uint64_t torn_to = 0;
  bool unreadable = false;  // some blocks could not be read
};

// Octets from `limit` on do not count.
ScanResult scan_segment(FileWindow& window, uint32_t number, uint32_t salt, uint64_t limit, RecordVisitor& visitor);

// False when there is no whole footer. `newest` is the newest id the segment ever held.
bool read_footer(File& file, uint64_t size, uint32_t number, uint32_t salt, uint64_t limit, RecordVisitor& visitor, MessageId& newest,
                 uint64_t& end);

// Writes the footer behind the records and cuts the file there. Blocks; uses a descriptor of its own.
Status seal_segment(Storage& storage, uint32_t number, uint32_t salt, uint64_t limit);

}  // namespace veredus::spool_detail
