// Start records first, because they may say that the end of an older segment does not count; then footers or scans in order.
#include "spool/recovery.h"

#include <algorithm>
#include <set>

#include "base/checksum.h"
#include "spool/segment_reader.h"

namespace veredus::spool_detail {

namespace {

constexpr size_t kCopyPiece = 1 << 20;
constexpr size_t kMostStart = 1 << 20;

uint64_t limit_of(const std::vector<Abandoned>& abandoned, uint32_t number) {
  uint64_t limit = UINT64_MAX;
  for (const Abandoned& one : abandoned)
    if (one.segment == number) limit = std::min(limit, one.offset);
  return limit;
}

// Applies the records of one segment.
class Replay final : public RecordVisitor {
 public:
  Replay(Index& index, uint32_t number) : index_(index), number_(number) {}

  void record(const RecordHeader& header, uint64_t offset, std::string_view payload) override {
    ++records;
    Place place = Place::at(number_, offset);
    switch (header.type) {
      case RecordType::message:
      case RecordType::moved:
        return message(header, place, payload);
      case RecordType::status:
        if (auto status = decode_status(payload))
          index_.set_status(header.id, status->recipient, place, is_final(status->status.state));
        return;
      case RecordType::finished:
        if (auto home = decode_finished_home(payload)) finished(header.id, *home);
        return;
      case RecordType::envelope:
        index_.set_envelope(header.id, place);
        return;
      case RecordType::start:
      case RecordType::footer:
      case RecordType::padding:
        return;
    }
    ++unknown;
  }

  void damage(uint64_t from, uint64_t to) override { holes.emplace_back(from, to); }

  uint64_t records = 0, unknown = 0, unreadable_messages = 0;
  std::vector<std::pair<uint64_t, uint64_t>> holes;

 private:
  void message(const RecordHeader& header, Place place, std::string_view payload) {
    auto view = view_message(header.type, payload, header.length);
    if (!view || view->prefix.recipients == 0 || !header.id) {
      ++unreadable_messages;
      return;
    }
    Index::NewMessage found{header.id, place, header.length, view->prefix.recipients, 0, {}};
    if (view->prefix.in_file) found.body_id = view->prefix.body_id;
    if (!view->states.empty()) {
      found.finals.resize(view->prefix.recipients);
      for (const StatusPayload& state : decode_states(view->states))
        if (state.recipient < found.finals.size()) found.finals[state.recipient] = is_final(state.status.state);
    }
    index_.put(found);
  }

  void finished(MessageId id, uint32_t home) {
    index_.finish_copy(id, home);
    index_.finished_written(number_, home);
  }

  Index& index_;
  uint32_t number_;
};

struct Found {
  uint32_t number;
  std::shared_ptr<File> file;  // none: it could not be opened
  uint64_t size = 0;
};

class Recoverer {
 public:
  Recoverer(Storage& storage, const FormatMark& mark, Index& index, SpoolObserver& observer, Access access)
      : storage_(storage), mark_(mark), index_(index), observer_(observer), access_(access) {}

  Result<Recovery> run() {
    if (Status found = find_segments(); !found) return found.error();
    for (const Found& one : found_)
      if (Status read = read_start(one); !read) return read.error();
    for (const Found& one : found_) read_segment(one);
    settle();
    if (Status bodies = check_bodies(); !bodies) return bodies.error();
    return std::move(out_);
  }

 private:
  Status find_segments() {
    Result<std::vector<std::string>> names = storage_.list("segments");
    if (!names) return names.error();
    for (const std::string& name : *names)
      if (auto number = segment_number(name)) found_.push_back({*number, nullptr, 0});
    std::sort(found_.begin(), found_.end(), [](const Found& a, const Found& b) { return a.number < b.number; });
    for (Found& one : found_) {
      index_.add_segment(one.number);
      out_.highest = std::max(out_.highest, one.number);
      open_one(one);
    }
    return {};
  }

  void open_one(Found& one) {
    Result<std::shared_ptr<File>> file = storage_.open(segment_name(one.number), OpenMode::read);
    Result<uint64_t> size = file ? (*file)->size() : Result<uint64_t>(file.error());
    if (size) {
      one.file = *file;
      one.size = *size;
      return;
    }
    if (access_ == Access::read_only && size.error().code == Errc::not_found) return;  // removed meanwhile
    index_.segment(one.number)->pinned = true;
    out_.damaged = true;
    observer_.spool_event(SpoolEvent::read_failed, segment_name(one.number), size.error().text);
  }

  Status read_start(const Found& one) {
    if (!one.file) return {};
    FileWindow window(*one.file, std::min<uint64_t>(one.size, kMostStart));
    auto header = decode_header(window.at(0, kHeaderSize), mark_.salt);
    if (!header || header->type != RecordType::start || header->segment != one.number) return {};
    std::string_view payload = window.at(kHeaderSize, header->length);
    auto start = decode_start(payload);
    if (!start || crc32(payload) != header->payload_crc) return {};  // damaged: told when the records are read
    if (start->major > kFormatMajor)
      return fail(Errc::unsupported, segment_name(one.number) + " has format " + std::to_string(start->major) +
                                         "; this version reads up to " + std::to_string(kFormatMajor));
    for (const Abandoned& gone : start->abandoned)
      if (index_.segment(gone.segment)) out_.abandoned.push_back(gone);
    return {};
  }

  void read_segment(const Found& one) {
    Segment& ledger = *index_.segment(one.number);
    ledger.closed = true;
    if (!one.file) return;
    uint64_t limit = limit_of(out_.abandoned, one.number);
    Replay replay(index_, one.number);
    MessageId newest;
    ledger.sealed = read_footer(*one.file, one.size, one.number, mark_.salt, limit, replay, newest, ledger.size);
    index_.saw(newest);
    if (!ledger.sealed) scan(one, limit, replay);
    out_.records += replay.records;
    if (replay.unknown)
      observer_.spool_event(SpoolEvent::unknown_record, segment_name(one.number),
                            std::to_string(replay.unknown) + " records of types that only a newer version knows");
    if (replay.unknown || replay.unreadable_messages) out_.damaged = true;
  }

  void scan(const Found& one, uint64_t limit, Replay& replay) {
    FileWindow window(*one.file, one.size);
    ScanResult scanned = scan_segment(window, one.number, mark_.salt, limit, replay);
    Segment& ledger = *index_.segment(one.number);
    ledger.size = scanned.end;
    for (auto [from, to] : replay.holes) report_hole(one, from, to);
    if (scanned.unreadable) {
      ledger.pinned = true;
      out_.damaged = true;
      observer_.spool_event(SpoolEvent::read_failed, segment_name(one.number), "some blocks cannot be read");
    }
    if (scanned.torn_to > scanned.torn_from) report_torn(one, scanned);
    if (replay.records == 0 && !ledger.pinned) return drop_empty(one, scanned.torn_to > scanned.torn_from);
    out_.unsealed.push_back(one.number);
  }

  void report_hole(const Found& one, uint64_t from, uint64_t to) {
    ++out_.set_aside;
    out_.damaged = true;
    std::string detail = "octets " + std::to_string(from) + " to " + std::to_string(to) + " are damaged";
    if (access_ == Access::owner) {
      std::string copy = set_aside(storage_, *one.file, std::to_string(one.number), from, to);
      detail += copy.empty() ? "; no copy could be kept" : "; a copy is in " + copy;
    }
    observer_.spool_event(SpoolEvent::damaged, segment_name(one.number), detail);
  }

  void report_torn(const Found& one, const ScanResult& scanned) {
    observer_.spool_event(SpoolEvent::torn_tail, segment_name(one.number),
                          "octets " + std::to_string(scanned.torn_from) + " to " + std::to_string(scanned.torn_to) +
                              " were not complete when the power or the process ended; nothing in them was acknowledged");
  }

  // Prepared and never used, or its first group was torn: the octets that make no sense are kept apart.
  void drop_empty(const Found& one, bool torn) {
    if (access_ == Access::read_only) return;
    std::string name = segment_name(one.number);
    Status gone = torn ? storage_.rename(name, "set-aside/" + std::to_string(one.number) + "-torn.log") : storage_.remove(name);
    if (gone) index_.remove_segment(one.number);
  }

  void settle() {
    out_.to_finish = index_.take_unfinished_copies();
    for (MessageId id : index_.ids()) {
      if (!index_.all_final(id)) continue;
      for (uint32_t home : index_.homes(id)) out_.to_finish.emplace_back(id, home);
      index_.forget(id);
    }
    std::erase_if(out_.to_finish, [this](const auto& one) { return !index_.segment(one.second); });
    std::erase_if(out_.abandoned, [this](const Abandoned& one) { return !index_.segment(one.segment); });
  }

  Status check_bodies() {
    Result<std::vector<std::string>> names = storage_.list("bodies");
    if (!names) return names.error();
    std::set<uint64_t> there;
    for (const std::string& name : *names)
      if (auto id = MessageId::parse(name)) there.insert(id->value);
    if (!there.empty()) out_.newest_body = *there.rbegin();
    for (uint64_t wanted : index_.bodies())
      if (!there.erase(wanted)) observer_.spool_event(SpoolEvent::missing, body_name(wanted), "the file of a stored message is not there");
    if (access_ == Access::owner) remove_orphans(there);
    return {};
  }

  void remove_orphans(const std::set<uint64_t>& orphans) {
    for (uint64_t id : orphans) {
      if (out_.damaged) {
        observer_.spool_event(SpoolEvent::orphan_removed, body_name(id), "kept: a damaged record may have named it");
        continue;
      }
      Status removed = storage_.remove(body_name(id));
      observer_.spool_event(SpoolEvent::orphan_removed, body_name(id), removed ? "no stored message has it" : removed.error().text);
    }
  }

  Storage& storage_;
  FormatMark mark_;
  Index& index_;
  SpoolObserver& observer_;
  Access access_;
  std::vector<Found> found_;
  Recovery out_;
};

}  // namespace

std::string set_aside(Storage& storage, File& file, const std::string& stem, uint64_t from, uint64_t to) {
  std::string name = "set-aside/" + stem + "-" + std::to_string(from) + ".bin";
  Result<std::shared_ptr<File>> copy = storage.open(name, OpenMode::create);
  if (!copy) return copy.error().code == Errc::exists ? name : std::string();
  std::string piece;
  for (uint64_t at = from; at < to; at += piece.size()) {
    piece.assign(static_cast<size_t>(std::min<uint64_t>(kCopyPiece, to - at)), '\0');
    if (Result<size_t> got = file.read(at, piece.data(), piece.size()); !got) std::fill(piece.begin(), piece.end(), '\0');
    if (!write_all(**copy, at - from, piece)) return {};
  }
  if (!(*copy)->sync() || !storage.sync_directory("set-aside")) return {};
  return name;
}

Result<Recovery> recover(Storage& storage, const FormatMark& mark, Index& index, SpoolObserver& observer, Access access) {
  return Recoverer(storage, mark, index, observer, access).run();
}

}  // namespace veredus::spool_detail
