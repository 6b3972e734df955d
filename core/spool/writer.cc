// The writer's round: take what was asked, plan it into a group, write, sync, tell. Failures leave the segment for good.
#include "spool/writer.h"

#include <algorithm>

#include "base/checksum.h"
#include "base/thread_name.h"

namespace veredus::spool_detail {

namespace {

constexpr uint64_t kMostGroup = 8 << 20;

}  // namespace

LogWriter::LogWriter(WriterParts parts, const LogSpoolOptions& options, uint32_t salt, std::vector<Abandoned> abandoned)
    : parts_(std::move(parts)), options_(options), salt_(salt), abandoned_(std::move(abandoned)) {}

LogWriter::~LogWriter() { finish(); }

void LogWriter::finish() {
  queue_.end();
  if (thread_.joinable()) thread_.join();
}

void LogWriter::run() {
  name_thread("spool-writer");
  while (!queue_.ended()) {
    Op* list = queue_.take(wake_at());
    process(list);
    std::vector<Op*> nobody;
    if (unsynced_since_ && std::chrono::steady_clock::now() >= *unsynced_since_ + options_.sync_delay) commit(nobody, true);
  }
  end();
}

std::optional<LogWriter::Time> LogWriter::wake_at() const {
  if (unsynced_since_) return *unsynced_since_ + options_.sync_delay;
  if (has_problem_) return std::chrono::steady_clock::now() + options_.check_interval;
  return std::nullopt;
}

// With a problem, a round without requests tries whether it is over.
void LogWriter::process(Op*& list) {
  failed_round_ = false;
  bool probe = has_problem_;
  std::vector<Op*> planned;
  while (list || !rewrite_.empty() || std::exchange(probe, false)) {
    if (failed_round_ || !ready()) return refuse(list);
    bool waiting = plan_group(list, planned);
    commit(planned, waiting || has_problem_ || written_ == 0);
  }
}

bool LogWriter::ready() {
  if (active_ && rotate_) close_segment();
  rotate_ = false;
  return active_ || (!failed_round_ && open_segment());
}

bool LogWriter::open_segment() {
  Result<Prepared> next = parts_.maker.take();
  if (!next) {
    set_problem(next.error());
    return false;
  }
  active_ = std::move(*next);
  written_ = synced_ = 0;
  std::lock_guard lock(parts_.index.mutex);
  parts_.index.add_segment(active_->number);
  return true;
}

void LogWriter::close_segment() {
  std::vector<Op*> nobody;
  if (written_ > synced_) commit(nobody, true);
  if (!active_) return;
  uint32_t number = active_->number;
  active_.reset();
  active_octets_.store(0);
  std::lock_guard lock(parts_.index.mutex);
  if (written_ == 0) {
    parts_.maker.discard(number);
    parts_.index.remove_segment(number);
    return;
  }
  Segment* ledger = parts_.index.segment(number);
  ledger->closed = true;
  ledger->size = written_;
  parts_.maker.retire(number, written_);
  parts_.segment_closed();
}

bool LogWriter::plan_group(Op*& list, std::vector<Op*>& planned) {
  bool waiting = false;
  std::lock_guard lock(parts_.index.mutex);
  begin_group();
  while (list && room_for(*list, planned.empty())) {
    Op* op = std::exchange(list, list->next);
    planned.push_back(op);
    if (Status room = op->new_mail() && !op->error ? parts_.maker.accepting() : Status(); !room) op->error = room.error();
    if (!op->error) op->plan(*this);
    waiting = waiting || (op->durable() && !op->error);
  }
  return waiting;
}

// A record larger than a segment gets one that grows.
bool LogWriter::room_for(const Op& op, bool first) {
  uint64_t planned = group_.size();
  if (written_ + planned + op.size() > active_->capacity) {
    if (written_ == 0 && first) return true;
    rotate_ = true;
    return false;
  }
  return first || planned + op.size() <= kMostGroup;
}

void LogWriter::begin_group() {
  group_.begin(active_->number, written_, synced_ == written_);
  if (written_ == 0) write_start();
  std::deque<Change> again = std::exchange(rewrite_, {});
  for (Change& change : again) this->change(std::move(change));
}

void LogWriter::write_start() {
  std::erase_if(abandoned_, [this](const Abandoned& one) { return !parts_.index.segment(one.segment); });
  StartPayload start;
  start.abandoned = abandoned_;
  start_payload_ = encode_start(start);
  add(RecordType::start, {}, crc32(start_payload_), {start_payload_});
}

Place LogWriter::add(RecordType type, MessageId id, uint32_t crc, std::initializer_list<std::string_view> parts) {
  return group_.add(type, id, salt_, crc, parts);
}

void LogWriter::change(Change change) {
  if (!active_) {
    mark(change, {});
    rewrite_.push_back(std::move(change));
    return;
  }
  Change& kept = unsynced_.emplace_back(std::move(change));
  mark(kept, add(kept.type, kept.id, crc32(kept.payload), {kept.payload}));
}

void LogWriter::mark(const Change& change, Place place) {
  if (change.type == RecordType::status)
    parts_.index.set_status(change.id, change.recipient, place, change.final);
  else if (place)
    parts_.index.finished_written(place.segment, change.home);
}

void LogWriter::commit(std::vector<Op*>& planned, bool sync) {
  if (!group_.empty()) {
    Status written = active_->file->write(group_.at(), group_.pieces());
    if (!written) return fail_segment(written.error(), planned);
    written_ += group_.size();
    records_ += group_.records();
    if (!unsynced_since_) unsynced_since_ = std::chrono::steady_clock::now();
    group_.begin(active_->number, written_, false);
  }
  bool wanted = sync && active_ && written_ > synced_;
  if (wanted)
    if (Status synced = sync_active(); !synced) return fail_segment(synced.error(), planned);
  settle(planned, wanted);
}

Status LogWriter::sync_active() {
  auto before = std::chrono::steady_clock::now();
  Status synced = active_->file->sync();
  ++syncs_;
  auto took = std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now() - before);
  if (took >= options_.slow_sync)
    parts_.observer.spool_event(SpoolEvent::slow, segment_name(active_->number), "a sync took " + std::to_string(took.count()) + " ms");
  return synced;
}

void LogWriter::settle(std::vector<Op*>& planned, bool synced) {
  {
    std::lock_guard lock(parts_.index.mutex);
    for (Op* op : planned)
      if (!op->error) op->committed(parts_.index);
    if (active_) parts_.index.segment(active_->number)->size = written_;
  }
  parts_.index.written.notify_all();
  active_octets_.store(written_, std::memory_order_relaxed);
  if (synced) {
    synced_ = written_;
    unsynced_since_.reset();
    unsynced_.clear();
    for (uint64_t body : std::exchange(bodies_done_, {})) parts_.remove_body(body);
    if (has_problem_) set_problem(std::nullopt);
  }
  answer(planned);
}

// What was stable stays; what was not is written again if it is a state, and answered with the error if it is a message.
void LogWriter::fail_segment(const Error& why, std::vector<Op*>& planned) {
  Error told = why.code == Errc::no_space ? why : fail(Errc::io, why.text);
  parts_.observer.spool_event(SpoolEvent::write_failed, segment_name(active_->number), why.text);
  failed_round_ = true;
  set_problem(told);
  leave_segment(planned);
  for (Op* op : planned)
    if (!op->error) op->error = told;
  answer(planned);
}

void LogWriter::leave_segment(std::vector<Op*>& planned) {
  uint32_t number = active_->number;
  active_.reset();
  active_octets_.store(0);
  std::lock_guard lock(parts_.index.mutex);
  for (auto op = planned.rbegin(); op != planned.rend(); ++op)
    if (!(*op)->error) (*op)->undone(parts_.index);
  rewrite_.insert(rewrite_.begin(), std::make_move_iterator(unsynced_.begin()), std::make_move_iterator(unsynced_.end()));
  unsynced_.clear();
  unsynced_since_.reset();
  group_.begin(0, 0, false);
  for (const Change& change : rewrite_) mark(change, {});
  Segment* ledger = parts_.index.segment(number);
  ledger->closed = true;
  ledger->size = synced_;
  if (synced_ > 0) {
    abandoned_.push_back({number, synced_});
  } else {
    parts_.maker.discard(number);
    parts_.index.remove_segment(number);
  }
  parts_.index.written.notify_all();
  parts_.segment_closed();
}

void LogWriter::refuse(Op*& list) {
  std::vector<Op*> refused;
  Status why = problem();
  {
    std::lock_guard lock(parts_.index.mutex);
    while (list) {
      Op* op = std::exchange(list, list->next);
      refused.push_back(op);
      if (op->keeps() && !active_)
        op->plan(*this);
      else if (!op->error)
        op->error = why ? fail(Errc::io, "the spool cannot be written") : why.error();
    }
  }
  answer(refused);
}

// One post a loop, however many requests are done.
void LogWriter::answer(std::vector<Op*>& done) {
  struct Chain {
    Loop* loop;
    Op* first;
    Op* last;
  };
  std::vector<Chain> chains;
  for (Op* op : std::exchange(done, {})) {
    op->next = nullptr;
    if (!op->loop) {
      op->answered();
      delete op;
      continue;
    }
    auto chain = std::find_if(chains.begin(), chains.end(), [op](const Chain& one) { return one.loop == op->loop; });
    if (chain == chains.end()) {
      chains.push_back({op->loop, op, op});
    } else {
      chain->last->next = op;
      chain->last = op;
    }
  }
  for (const Chain& chain : chains) chain.loop->post(std::make_unique<Answers>(chain.first));
}

Status LogWriter::problem() const {
  if (!has_problem_) return {};
  std::lock_guard lock(problem_mutex_);
  return problem_ ? Status(*problem_) : Status();
}

void LogWriter::set_problem(std::optional<Error> problem) {
  bool now = problem.has_value();
  {
    std::lock_guard lock(problem_mutex_);
    problem_ = std::move(problem);
  }
  if (has_problem_.exchange(now) && !now) parts_.observer.spool_event(SpoolEvent::space_again, "", "the spool can be written again");
}

void LogWriter::end() {
  Op* none = nullptr;
  process(none);
  if (active_) close_segment();
  if (!rewrite_.empty()) {
    Op* nobody = nullptr;
    process(nobody);
    if (active_) close_segment();
  }
  if (!rewrite_.empty())
    parts_.observer.spool_event(SpoolEvent::write_failed, "",
                                std::to_string(rewrite_.size()) + " results of deliveries could not be written; they may be repeated");
}

}  // namespace veredus::spool_detail
