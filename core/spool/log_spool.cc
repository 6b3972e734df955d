// LogSpool: puts the rooms together, and carries calls from loops to the writer and to the pool that reads.
#include "spool/log_spool.h"

#include <algorithm>

#include "spool/compactor.h"
#include "spool/recovery.h"
#include "spool/requests.h"
#include "spool/writer.h"

namespace veredus {

using namespace spool_detail;

struct LogSpool::Parts {
  Parts(Storage& storage, const LogSpoolOptions& options, SpoolObserver& observer)
      : storage(storage), options(options), observer(observer) {}

  void build(const Clock& clock, const FormatMark& mark, Recovery found);
  void close();

  Storage& storage;
  LogSpoolOptions options;
  SpoolObserver& observer;
  std::unique_ptr<StorageLock> lock;
  Index index;
  uint64_t set_aside = 0;
  std::shared_ptr<BodyStore> bodies;
  std::unique_ptr<MessageReader> reader;
  std::unique_ptr<SegmentMaker> maker;
  std::unique_ptr<LogWriter> writer;
  std::unique_ptr<Compactor> compactor;
};

namespace {

constexpr size_t kScanBatch = 128;
using Batch = std::vector<StoredMessage>;

uint64_t limit_of(const Recovery& found, uint32_t number) {
  uint64_t limit = kMostSegment;
  for (const Abandoned& one : found.abandoned)
    if (one.segment == number) limit = std::min(limit, one.offset);
  return limit;
}

// What cannot be read was reported by the reader; the rest is not held up by it.
Result<Batch> describe_batch(MessageReader& reader, const std::vector<MessageId>& ids, size_t from) {
  Batch out;
  SegmentFiles files(reader.storage());
  for (size_t i = from; i < std::min(ids.size(), from + kScanBatch); ++i)
    if (Result<StoredMessage> one = reader.describe(ids[i], files)) out.push_back(std::move(*one));
  return out;
}

}  // namespace

void LogSpool::Parts::build(const Clock& clock, const FormatMark& mark, Recovery found) {
  set_aside = found.set_aside;
  bodies = std::make_shared<BodyStore>(storage, clock, mark.salt, found.newest_body);
  reader = std::make_unique<MessageReader>(storage, index, mark.salt, observer, bodies);
  maker = std::make_unique<SegmentMaker>(storage, index, mark, options, observer, found.highest + 1);
  WriterParts parts{index, *maker, observer, [this](uint64_t body) { bodies->remove_later(body); },
                    [this] { compactor->nudge(); }};
  writer = std::make_unique<LogWriter>(std::move(parts), options, mark.salt, found.abandoned);
  compactor = std::make_unique<Compactor>(storage, index, *reader, writer->queue(), observer, options, mark.salt);
  for (uint32_t number : found.unsealed) maker->retire(number, limit_of(found, number));
  for (auto [id, home] : found.to_finish) writer->queue().push(make_finish(id, home));
  maker->start([this] { writer->queue().nudge(); });
  writer->start();
  compactor->start();
}

// Readers first, then who asks the writer, then the writer, then who seals its last segment.
void LogSpool::Parts::close() {
  if (compactor) compactor->finish();
  if (writer) writer->finish();
  if (maker) maker->finish();
  if (bodies) bodies->close();
}

LogSpool::LogSpool(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

LogSpool::~LogSpool() { parts_->close(); }

Result<std::unique_ptr<LogSpool>> LogSpool::open(Storage& storage, const Clock& clock, LogSpoolOptions options,
                                                 SpoolObserver& observer) {
  auto parts = std::make_unique<Parts>(storage, options, observer);
  Result<std::unique_ptr<StorageLock>> lock = storage.lock("lock", LockKind::exclusive);
  if (!lock) return lock.error();
  parts->lock = std::move(*lock);
  Result<FormatMark> mark = open_format(storage, Access::owner, observer);
  if (!mark) return mark.error();
  Result<Recovery> found = recover(storage, *mark, parts->index, observer, Access::owner);
  if (!found) return found.error();
  observer.spool_event(SpoolEvent::opened, "", std::to_string(parts->index.size()) + " messages in " +
                                                   std::to_string(parts->index.segments().size()) + " segments");
  parts->build(clock, *mark, std::move(*found));
  return std::unique_ptr<LogSpool>(new LogSpool(std::move(parts)));
}

MessageId LogSpool::newest_known() const {
  std::lock_guard lock(parts_->index.mutex);
  return parts_->index.newest();
}

Task<Status> LogSpool::store(Loop& loop, std::shared_ptr<const Message> message) {
  std::unique_ptr<Op> op = make_store(std::move(message));
  co_return co_await Handover(parts_->writer->queue(), loop, std::move(op));
}

void LogSpool::record(std::vector<StateChange> changes) {
  parts_->writer->queue().push(make_changes(std::move(changes), false));
}

Task<Status> LogSpool::record_now(Loop& loop, std::vector<StateChange> changes) {
  std::unique_ptr<Op> op = make_changes(std::move(changes), true);
  co_return co_await Handover(parts_->writer->queue(), loop, std::move(op));
}

Task<Status> LogSpool::amend(Loop& loop, std::shared_ptr<const Envelope> envelope) {
  std::unique_ptr<Op> op = make_envelope(std::move(envelope));
  co_return co_await Handover(parts_->writer->queue(), loop, std::move(op));
}

Task<Result<std::shared_ptr<const Message>>> LogSpool::load(Loop& loop, MessageId id) {
  using Loaded = std::shared_ptr<const Message>;
  std::function<Result<Loaded>()> work = [reader = parts_->reader.get(), id] { return reader->load(id); };
  co_return co_await run_on<Loaded>(loop, parts_->bodies->pool(), std::move(work));
}

Task<Result<StoredMessage>> LogSpool::find(Loop& loop, MessageId id) {
  std::function<Result<StoredMessage>()> work = [reader = parts_->reader.get(), id] { return reader->describe(id); };
  co_return co_await run_on<StoredMessage>(loop, parts_->bodies->pool(), std::move(work));
}

Task<Status> LogSpool::scan(Loop& loop, std::function<bool(const StoredMessage&)> visit) {
  auto ids = std::make_shared<std::vector<MessageId>>();
  {
    std::lock_guard lock(parts_->index.mutex);
    *ids = parts_->index.ids();
  }
  // The next batch is read while this one is visited.
  std::unique_ptr<Remote<Batch>> next = ask_batch(loop, ids, 0);
  for (size_t at = kScanBatch; next; at += kScanBatch) {
    co_await next->answered(Deadline::never());
    Result<Batch> batch = next->take();
    next = ask_batch(loop, ids, at);
    if (!batch) co_return batch.error();
    for (const StoredMessage& message : batch.value())
      if (!visit(message)) co_return Status{};
  }
  co_return Status{};
}

// Null behind the last message.
std::unique_ptr<Remote<Batch>> LogSpool::ask_batch(Loop& loop, std::shared_ptr<const std::vector<MessageId>> ids, size_t from) {
  if (from >= ids->size()) return nullptr;
  auto remote = std::make_unique<Remote<Batch>>(loop);
  auto promise = std::make_shared<Remote<Batch>::Promise>(remote->promise());
  MessageReader* reader = parts_->reader.get();
  bool queued = parts_->bodies->pool().submit([=] { promise->fulfil(describe_batch(*reader, *ids, from)); });
  if (!queued) promise->fulfil(fail(Errc::busy, "too much blocking work is queued"));
  return remote;
}

Task<Result<std::unique_ptr<BodyWriter>>> LogSpool::create_body(Loop& loop) {
  if (Status open = accepting(); !open) co_return open.error();
  co_return co_await parts_->bodies->create(loop);
}

Task<Result<std::string>> LogSpool::read_body(Loop& loop, std::shared_ptr<LargeBody> body, uint64_t offset, size_t count) {
  auto file = std::dynamic_pointer_cast<SpoolBody>(std::move(body));
  if (!file) co_return fail(Errc::invalid, "the body is not of this spool");
  std::function<Result<std::string>()> work = [file, offset, count] { return file->read(offset, count); };
  co_return co_await run_on<std::string>(loop, parts_->bodies->pool(), std::move(work));
}

Status LogSpool::accepting() const {
  if (Status problem = parts_->writer->problem(); !problem) return problem;
  return parts_->maker->accepting();
}

SpoolStatus LogSpool::status() const {
  SpoolStatus out;
  Status open = accepting();
  out.writable = open.ok();
  if (!open) out.problem = open.error().text;
  out.free_octets = parts_->maker->free_octets();
  out.syncs = parts_->writer->syncs();
  out.records = parts_->writer->records();
  out.set_aside = parts_->set_aside;
  std::lock_guard lock(parts_->index.mutex);
  out.messages = parts_->index.size();
  out.segments = parts_->index.segments().size();
  for (const auto& [number, one] : parts_->index.segments()) out.octets += one.size;
  return out;
}

std::string_view event_name(SpoolEvent event) {
  switch (event) {
    case SpoolEvent::opened: return "opened";
    case SpoolEvent::created: return "created";
    case SpoolEvent::torn_tail: return "torn_tail";
    case SpoolEvent::damaged: return "damaged";
    case SpoolEvent::missing: return "missing";
    case SpoolEvent::unknown_record: return "unknown_record";
    case SpoolEvent::full: return "full";
    case SpoolEvent::space_again: return "space_again";
    case SpoolEvent::write_failed: return "write_failed";
    case SpoolEvent::read_failed: return "read_failed";
    case SpoolEvent::compacted: return "compacted";
    case SpoolEvent::segment_removed: return "segment_removed";
    case SpoolEvent::orphan_removed: return "orphan_removed";
    case SpoolEvent::slow: return "slow";
  }
  return "unknown";
}

}  // namespace veredus
