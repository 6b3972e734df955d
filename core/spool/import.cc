// Import: a spool opened as the daemon would, fed from an exported stream by one coroutine on a loop of its own.
#include "loop/scope.h"
#include "spool/export_stream.h"
#include "spool/spool_tools.h"

namespace veredus {

using namespace spool_detail;

namespace {

class Telling final : public SpoolObserver {
 public:
  explicit Telling(SpoolLine line) : line_(std::move(line)) {}
  void spool_event(SpoolEvent event, std::string_view file, std::string_view detail) override {
    if (event == SpoolEvent::opened || event == SpoolEvent::created || event == SpoolEvent::orphan_removed) return;
    std::lock_guard lock(mutex_);
    line_(std::string(event_name(event)) + " " + std::string(file) + ": " + std::string(detail));
  }
  void say(std::string_view text) {
    std::lock_guard lock(mutex_);
    line_(text);
  }

 private:
  std::mutex mutex_;
  SpoolLine line_;
};

struct Import {
  Loop& loop;
  LogSpool& spool;
  ExportReader& in;
  Telling& out;
  uint64_t inline_size;
  TransferReport report;
  std::optional<Error> error;
};

// The octets of one message: in memory while they are few, then in a file.
Task<Status> read_content(Import& import, bool wanted, Content& content) {
  std::string memory;
  std::unique_ptr<BodyWriter> file;
  for (;;) {
    Result<std::string> piece = import.in.piece();
    if (!piece) co_return piece.error();
    if (piece.value().empty()) break;
    if (!wanted) continue;
    memory += piece.value();
    if (memory.size() <= import.inline_size) continue;
    if (!file) {
      Result<std::unique_ptr<BodyWriter>> made = co_await import.spool.create_body(import.loop);
      if (!made) co_return made.error();
      file = std::move(*made);
    }
    Status appended = co_await file->append(std::exchange(memory, {}));
    if (!appended) co_return appended;
  }
  if (!file) {
    content.memory = std::make_shared<const std::string>(std::move(memory));
    co_return Status{};
  }
  if (!memory.empty()) {
    Status appended = co_await file->append(std::move(memory));
    if (!appended) co_return appended;
  }
  Result<std::shared_ptr<LargeBody>> body = co_await file->finish();
  if (!body) co_return body.error();
  content.file = std::move(*body);
  co_return Status{};
}

std::vector<StateChange> changes_of(MessageId id, std::string_view states) {
  std::vector<StateChange> out;
  for (StatusPayload& state : decode_states(states)) out.push_back({id, state.recipient, std::move(state.status)});
  return out;
}

Task<Status> import_one(Import& import, ExportFront front) {
  Result<Envelope> envelope = decode_envelope(front.envelope);
  if (!envelope) co_return envelope.error();
  MessageId id = envelope->id;
  Result<StoredMessage> there = co_await import.spool.find(import.loop, id);
  bool wanted = !there && there.error().code == Errc::not_found;
  auto message = std::make_shared<Message>();
  message->envelope = std::move(*envelope);
  Status content = co_await read_content(import, wanted, message->content);
  if (!content) co_return content;
  if (!wanted) {
    ++import.report.skipped;
    import.out.say(id.text() + ": exists already");
    co_return Status{};
  }
  Status stored = co_await import.spool.store(import.loop, std::move(message));
  if (!stored) co_return stored;
  Status known = co_await import.spool.record_now(import.loop, changes_of(id, front.states));
  if (known) ++import.report.messages;
  co_return known;
}

Task<Status> import_all(Import& import) {
  Status right = import.in.magic();
  if (!right) co_return right;
  for (;;) {
    Result<std::optional<ExportFront>> front = import.in.front();
    if (!front) co_return front.error();
    if (!front.value()) co_return Status{};
    Status done = co_await import_one(import, std::move(**front));
    if (!done) co_return done;
  }
}

Task<void> run_import(Import& import) {
  Status done = co_await import_all(import);
  if (!done) import.error = done.error();
  import.loop.stop();
}

}  // namespace

Result<TransferReport> import_spool(Storage& storage, const Clock& clock, LogSpoolOptions options,
                                    std::function<Result<std::string>(size_t most)> read, SpoolLine line) {
  Telling telling(std::move(line));
  Loop loop(clock);
  Result<std::unique_ptr<LogSpool>> spool = LogSpool::open(storage, clock, options, telling);
  if (!spool) return spool.error();
  ExportReader in(std::move(read));
  Import import{loop, *spool.value(), in, telling, options.inline_size, {}, std::nullopt};
  Scope scope(loop);
  scope.spawn(run_import(import));
  loop.run();
  spool.value().reset();
  if (import.error) return *import.error;
  return import.report;
}

}  // namespace veredus
