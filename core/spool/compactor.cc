// Removal in ascending order and with the directory synced before the ledger forgets: a message's end outlives every copy of it.
#include "spool/compactor.h"

#include "base/thread_name.h"
#include "spool/requests.h"
#include "spool/segment_reader.h"

namespace veredus::spool_detail {

namespace {

constexpr uint64_t kBatch = 1 << 20;
constexpr uint64_t kLiveShare = 3;  // a segment is emptied when less than a third of it counts

// Asks the writer to copy every record of one segment that still counts.
class Mover final : public RecordVisitor {
 public:
  Mover(uint32_t number, Index& index, MessageReader& reader, OpQueue& queue, std::function<bool()> stop)
      : number_(number), index_(index), reader_(reader), queue_(queue), stop_(std::move(stop)) {}

  void record(const RecordHeader& header, uint64_t offset, std::string_view payload) override {
    if (stopped()) return;
    Place place = Place::at(number_, offset);
    if (is_message(header.type))
      message(header, place, payload);
    else if (header.type == RecordType::status || header.type == RecordType::envelope || header.type == RecordType::finished)
      small(header, place, payload);
    if (waiting_ >= kBatch) flush();
  }
  void damage(uint64_t, uint64_t) override {}

  void flush() {
    failed_ = !countdown_.wait() || failed_;
    waiting_ = 0;
  }
  bool stopped() const { return failed_ || stop_(); }
  bool failed() const { return failed_; }
  uint64_t moved() const { return moved_; }

 private:
  void message(const RecordHeader& header, Place place, std::string_view payload) {
    std::optional<Snapshot> known;
    {
      std::unique_lock lock(index_.mutex);
      known = index_.snapshot(header.id);
      if (known && known->home == place) known = index_.written_snapshot(lock, header.id);
    }
    if (!known || known->home != place) return;
    Result<std::string> copy = reader_.moved_payload(*known, header.type, payload);
    if (!copy) return;
    waiting_ += copy->size();
    ++moved_;
    queue_.push(make_move(std::move(*known), std::move(*copy), countdown_));
  }

  void small(const RecordHeader& header, Place place, std::string_view payload) {
    if (!counts(header, place, payload)) return;
    waiting_ += payload.size() + kHeaderSize;
    ++moved_;
    queue_.push(make_copy(header.type, header.id, place, std::string(payload), countdown_));
  }

  bool counts(const RecordHeader& header, Place place, std::string_view payload) {
    std::lock_guard lock(index_.mutex);
    if (header.type == RecordType::finished) {
      auto home = decode_finished_home(payload);
      return home && index_.finished_needed(number_, *home);
    }
    auto known = index_.snapshot(header.id);
    if (!known || known->home.segment == number_) return false;  // with its message, or not at all
    if (known->envelope == place) return true;
    for (const RecipientMark& mark : known->marks)
      if (mark.status == place) return true;
    return false;
  }

  uint32_t number_;
  Index& index_;
  MessageReader& reader_;
  OpQueue& queue_;
  std::function<bool()> stop_;
  Countdown countdown_;
  uint64_t waiting_ = 0, moved_ = 0;
  bool failed_ = false;
};

}  // namespace

void Compactor::nudge() {
  {
    std::lock_guard lock(mutex_);
    nudged_ = true;
  }
  wake_.notify_one();
}

void Compactor::finish() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool Compactor::ending() {
  std::lock_guard lock(mutex_);
  return ending_;
}

void Compactor::run() {
  name_thread("spool-compact");
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, options_.check_interval, [this] { return nudged_ || ending_; });
      nudged_ = false;
      if (ending_) return;
    }
    remove_dead();
    if (!options_.compact) continue;
    while (std::optional<uint32_t> number = choose()) {
      empty(*number);
      remove_dead();
      if (ending()) return;
    }
  }
}

void Compactor::remove_dead() {
  std::vector<uint32_t> dead, gone;
  {
    std::lock_guard lock(index_.mutex);
    dead = index_.removable();
  }
  for (uint32_t number : dead) {
    Status removed = storage_.remove(segment_name(number));
    if (!removed && removed.error().code != Errc::not_found) break;
    gone.push_back(number);
  }
  if (gone.empty() || !storage_.sync_directory("segments")) return;
  {
    std::lock_guard lock(index_.mutex);
    for (uint32_t number : gone) index_.remove_segment(number);
  }
  for (uint32_t number : gone) observer_.spool_event(SpoolEvent::segment_removed, segment_name(number), "nothing in it counts any more");
}

std::optional<uint32_t> Compactor::choose() {
  std::lock_guard lock(index_.mutex);
  std::optional<uint32_t> best;
  double best_share = 1.0 / kLiveShare;
  for (const auto& [number, one] : index_.segments()) {
    if (!one.closed || one.pinned || one.stuck || one.size == 0) continue;
    double share = static_cast<double>(one.live_estimate()) / static_cast<double>(one.size);
    if (share >= best_share || one.live_estimate() == 0) continue;
    best = number;
    best_share = share;
  }
  return best;
}

// What cannot be moved (a damaged record) stays, and its segment with it.
void Compactor::empty(uint32_t number) {
  uint64_t end = 0;
  {
    std::lock_guard lock(index_.mutex);
    end = index_.segment(number)->size;
  }
  Result<std::shared_ptr<File>> file = storage_.open(segment_name(number), OpenMode::read);
  Result<uint64_t> size = file ? (*file)->size() : Result<uint64_t>(file.error());
  Mover mover(number, index_, reader_, queue_, [this] { return ending(); });
  if (size) {
    FileWindow window(**file, *size);
    scan_segment(window, number, salt_, end, mover);
  }
  mover.flush();
  std::lock_guard lock(index_.mutex);
  Segment* ledger = index_.segment(number);
  ledger->stuck = mover.moved() == 0 && ledger->live_estimate() > 0 && !ending();
  observer_.spool_event(SpoolEvent::compacted, segment_name(number), std::to_string(mover.moved()) + " records moved");
}

}  // namespace veredus::spool_detail
