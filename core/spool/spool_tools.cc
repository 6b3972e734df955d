// Verify, list and export: a recovery that changes nothing, then the same reader the daemon uses. Beside a daemon segments may go
// while they are read: then the spool is looked at again, for what was not seen yet.
#include "spool/spool_tools.h"

#include <algorithm>
#include <set>

#include "base/codec.h"
#include "spool/export_stream.h"
#include "spool/message_reader.h"
#include "spool/recovery.h"
#include "spool/segment_reader.h"

namespace veredus {

using namespace spool_detail;

namespace {

constexpr int kPasses = 5;

class Silent final : public SpoolObserver {
 public:
  void spool_event(SpoolEvent, std::string_view, std::string_view) override {}
};

bool is_running(Storage& storage) {
  auto lock = storage.lock("lock", LockKind::shared);
  return !lock && lock.error().code == Errc::busy;
}

// A spool opened to look at.
struct View {
  explicit View(Storage& s) : storage(s) {}

  Status open() {
    Result<FormatMark> found = open_format(storage, Access::read_only, silent);
    if (!found) return found.error();
    mark = *found;
    Result<Recovery> recovered = recover(storage, mark, index, silent, Access::read_only);
    if (!recovered) return recovered.error();
    recovery = std::move(*recovered);
    bodies = std::make_shared<BodyStore>(storage, clock, mark.salt, 0);
    reader = std::make_unique<MessageReader>(storage, index, mark.salt, silent, bodies, Access::read_only);
    return {};
  }

  Storage& storage;
  Silent silent;
  RealClock clock;
  FormatMark mark;
  Index index;
  Recovery recovery;
  std::shared_ptr<BodyStore> bodies;
  std::unique_ptr<MessageReader> reader;
};

class Problems final : public RecordVisitor {
 public:
  Problems(std::string name, VerifyReport& report, SpoolLine& line) : name_(std::move(name)), report_(report), line_(line) {}
  void record(const RecordHeader& header, uint64_t offset, std::string_view payload) override {
    ++report_.records;
    if (is_message(header.type) && !view_message(header.type, payload, payload.size()))
      add("the message " + header.id.text() + " at " + std::to_string(offset) + " makes no sense");
    if (header.type > RecordType::moved) add("a record of unknown type at " + std::to_string(offset) + ", kept");
  }
  void damage(uint64_t from, uint64_t to) override {
    add("octets " + std::to_string(from) + " to " + std::to_string(to) + " are damaged");
  }
  void add(const std::string& what) {
    ++report_.problems;
    line_(name_ + ": " + what);
  }

 private:
  std::string name_;
  VerifyReport& report_;
  SpoolLine& line_;
};

void verify_segment(View& view, uint32_t number, VerifyReport& report, SpoolLine& line) {
  Problems problems(segment_name(number), report, line);
  Result<std::shared_ptr<File>> file = view.storage.open(segment_name(number), OpenMode::read);
  Result<uint64_t> size = file ? (*file)->size() : Result<uint64_t>(file.error());
  if (!size) {
    if (!report.running || size.error().code != Errc::not_found) problems.add(size.error().text);
    return;
  }
  uint64_t limit = UINT64_MAX;
  for (const Abandoned& one : view.recovery.abandoned)
    if (one.segment == number) limit = std::min(limit, one.offset);
  FileWindow window(**file, *size);
  ScanResult scanned = scan_segment(window, number, view.mark.salt, limit, problems);
  ++report.segments;
  report.octets += scanned.end;
  if (scanned.torn_to > scanned.torn_from && !report.running)
    problems.add("torn at " + std::to_string(scanned.torn_from) + "; nothing from there on was acknowledged");
  if (scanned.unreadable) problems.add("some blocks cannot be read");
}

// Beside a daemon a message may have been finished or moved since the view was opened.
bool gone(View& view, MessageId id) {
  auto known = view.index.snapshot(id);
  auto missing = [&view](const std::string& name) {
    auto file = view.storage.open(name, OpenMode::read);
    return !file && file.error().code == Errc::not_found;
  };
  return known && (missing(segment_name(known->home.segment)) || (known->body_id && missing(body_name(known->body_id))));
}

void verify_message(View& view, MessageId id, VerifyReport& report, SpoolLine& line) {
  ++report.messages;
  Result<std::shared_ptr<const Message>> loaded = view.reader->load(id);
  Status checked;
  if (!loaded) {
    checked = loaded.error();
  } else if (auto body = std::dynamic_pointer_cast<SpoolBody>((*loaded.value()).content.file)) {
    ++report.bodies;
    report.octets += body->size();
    checked = verify_body(view.storage, body->id(), body->size(), view.mark.salt);
  }
  if (checked || (report.running && gone(view, id))) return;
  ++report.problems;
  line(id.text() + ": " + checked.error().text);
}

// Goes over all messages until one pass missed nothing. `each` returns Errc::cancelled to stop.
Status each_message(Storage& storage, std::function<Status(View&, MessageId)> each, SpoolLine& line, uint64_t& skipped) {
  std::set<MessageId> seen;
  for (int pass = 1; pass <= kPasses; ++pass) {
    View view(storage);
    if (Status opened = view.open(); !opened) return opened;
    bool last = pass == kPasses || !is_running(storage), missed = false;
    for (MessageId id : view.index.ids()) {
      if (!seen.insert(id).second) continue;
      Status done = each(view, id);
      if (done) continue;
      if (done.error().code == Errc::cancelled) return {};
      if (done.error().code != Errc::corrupt && done.error().code != Errc::not_found) return done;
      if (last) {
        ++skipped;
        line(id.text() + ": " + done.error().text);
      } else {
        missed = true;
        seen.erase(id);
      }
    }
    if (!missed) break;
  }
  return {};
}

Result<ExportFront> front_of(const StoredMessage& message) {
  ExportFront out;
  out.envelope = encode_envelope(*message.envelope);
  Writer states(out.states);
  for (uint32_t i = 0; i < message.recipients.size(); ++i) states.text(encode_status(i, message.recipients[i]));
  return out;
}

using Sink = std::function<Status(std::string_view)>;

// An empty piece ends a message, so an empty text is not written at all.
Status write_text(Sink& write, std::string_view octets) {
  for (size_t at = 0; at < octets.size(); at += kExportPiece)
    if (Status written = write(encode_piece(octets.substr(at, kExportPiece))); !written) return written;
  return {};
}

Status write_content(Sink& write, const Content& content) {
  if (Status head = write_text(write, content.head); !head) return head;
  if (content.memory)
    if (Status body = write_text(write, std::string_view(*content.memory).substr(content.skip)); !body) return body;
  if (auto file = std::dynamic_pointer_cast<SpoolBody>(content.file)) {
    for (uint64_t at = content.skip; at < file->size(); at += kExportPiece) {
      Result<std::string> piece = file->read(at, kExportPiece);
      if (!piece) return fail(Errc::io, piece.error().text);
      if (Status written = write(encode_piece(*piece)); !written) return written;
    }
  }
  return write(encode_piece({}));
}

Status export_one(View& view, MessageId id, Sink& write) {
  Result<StoredMessage> described = view.reader->describe(id);
  if (!described) return described.error();
  Result<std::shared_ptr<const Message>> loaded = view.reader->load(id);
  if (!loaded) return loaded.error();
  const Content& content = (*loaded.value()).content;
  if (auto file = std::dynamic_pointer_cast<SpoolBody>(content.file))
    if (Status whole = verify_body(view.storage, file->id(), file->size(), view.mark.salt); !whole) return whole;
  if (Status written = write(encode_front(*front_of(*described))); !written) return written;
  return write_content(write, content);
}

}  // namespace

Result<VerifyReport> verify_spool(Storage& storage, SpoolLine line) {
  VerifyReport report;
  report.running = is_running(storage);
  View view(storage);
  if (Status opened = view.open(); !opened) return opened.error();
  for (const auto& [number, ledger] : view.index.segments()) verify_segment(view, number, report, line);
  for (MessageId id : view.index.ids()) verify_message(view, id, report, line);
  return report;
}

Status list_spool(Storage& storage, std::function<bool(const StoredMessage&)> visit) {
  SpoolLine nowhere = [](std::string_view) {};
  uint64_t skipped = 0;
  auto each = [&visit](View& view, MessageId id) -> Status {
    Result<StoredMessage> message = view.reader->describe(id);
    if (!message) return message.error();
    return visit(*message) ? Status() : fail(Errc::cancelled, "stopped");
  };
  return each_message(storage, each, nowhere, skipped);
}

Result<TransferReport> export_spool(Storage& storage, std::function<Status(std::string_view)> write, SpoolLine line) {
  TransferReport report;
  if (Status written = write(kExportMagic); !written) return written.error();
  auto each = [&write, &report](View& view, MessageId id) {
    Status done = export_one(view, id, write);
    if (done) ++report.messages;
    return done;
  };
  if (Status done = each_message(storage, each, line, report.skipped); !done) return done.error();
  if (Status written = write(encode_end(report.messages)); !written) return written.error();
  return report;
}

}  // namespace veredus
