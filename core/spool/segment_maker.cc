// Preparing comes before sealing: a commit may be waiting for it.
#include "spool/segment_maker.h"

#include <algorithm>

#include "base/thread_name.h"
#include "spool/segment_reader.h"

namespace veredus::spool_detail {

namespace {

constexpr uint64_t kSmallest = 256 << 10, kFromReserve = 1 << 20, kFewInodes = 64;

}  // namespace

SegmentMaker::SegmentMaker(Storage& storage, Index& index, const FormatMark& mark, const LogSpoolOptions& options,
                           SpoolObserver& observer, uint32_t first_number)
    : storage_(storage), index_(index), mark_(mark), options_(options), observer_(observer), next_number_(first_number) {}

SegmentMaker::~SegmentMaker() { finish(); }

void SegmentMaker::start(std::function<void()> ready) {
  ready_ = std::move(ready);
  check_space();  // a disk that is full is known before the first message
  thread_ = std::thread([this] { run(); });
}

Result<Prepared> SegmentMaker::take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return prepared_ || failed_; });
  if (!prepared_) {
    retry_ = true;
    wake_.notify_one();
    return *failed_;
  }
  Prepared out = std::move(*prepared_);
  prepared_.reset();
  wake_.notify_one();
  return out;
}

void SegmentMaker::retire(uint32_t number, uint64_t end) {
  std::lock_guard lock(mutex_);
  retired_.push_back({number, end});
  wake_.notify_one();
}

void SegmentMaker::discard(uint32_t number) { (void)storage_.remove(segment_name(number)); }

void SegmentMaker::finish() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  if (prepared_) discard(prepared_->number);
  prepared_.reset();
}

void SegmentMaker::run() {
  name_thread("spool-segments");
  auto next_check = std::chrono::steady_clock::now() + options_.check_interval;
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait_until(lock, next_check, [this] {
      return ending_ || retry_ || (!prepared_ && !failed_) || !retired_.empty();
    });
    bool due = std::chrono::steady_clock::now() >= next_check;
    bool wanted = !ending_ && !prepared_ && (!failed_ || retry_ || due);
    std::optional<Retired> full;
    if (!wanted && !retired_.empty()) {
      full = retired_.front();
      retired_.pop_front();
    }
    if (ending_ && !full) return;
    retry_ = false;
    lock.unlock();
    if (due || (wanted && failed_)) check_space();
    if (due) next_check = std::chrono::steady_clock::now() + options_.check_interval;
    if (wanted) prepare();
    if (full) seal(*full);
    lock.lock();
  }
}

void SegmentMaker::prepare() {
  Result<Prepared> made = make(next_number_++);
  bool few_inodes = look_at_space();  // a segment may have taken the last of it
  bool again = false;
  {
    std::lock_guard lock(mutex_);
    again = failed_.has_value() && made.ok();
    failed_.reset();
    if (made)
      prepared_ = *made;
    else
      failed_ = made.error();
  }
  changed_.notify_all();
  settle_refusal(made ? Status() : Status(made.error()), few_inodes);
  if (again && ready_) ready_();
}

// Smaller segments when space is short; the last ones come out of the reserve and take state changes only.
uint64_t SegmentMaker::fitting_size() const {
  uint64_t size = options_.segment_size, free = free_octets();
  while (size > kSmallest && free < size + options_.reserve) size = std::max(size / 4, kSmallest);
  if (free < size + options_.reserve) size = std::min(options_.segment_size, std::min(kFromReserve, std::max(kSmallest, free / 2)));
  return std::min(size, options_.segment_size);
}

Result<Prepared> SegmentMaker::make(uint32_t number) {
  Prepared out{number, nullptr, fitting_size()};
  std::string name = segment_name(number);
  Result<std::shared_ptr<File>> file = storage_.open(name, OpenMode::create);
  if (!file) return file.error();
  out.file = *file;
  Status done = out.file->preallocate(out.capacity);
  if (done) done = out.file->sync();
  if (done) done = storage_.sync_directory("segments");
  if (done) return out;
  discard(number);
  return done.error();
}

void SegmentMaker::seal(Retired retired) {
  Status sealed = seal_segment(storage_, retired.number, mark_.salt, retired.end);
  if (!sealed && sealed.error().code != Errc::not_found)
    observer_.spool_event(SpoolEvent::write_failed, segment_name(retired.number), "not sealed: " + sealed.error().text);
  std::lock_guard lock(index_.mutex);
  if (Segment* ledger = index_.segment(retired.number)) ledger->sealed = sealed.ok();
}

// true: it is inodes that are short.
bool SegmentMaker::look_at_space() {
  Result<FreeSpace> space = storage_.free_space();
  if (!space) return false;
  bool few_inodes = space->inodes < kFewInodes;
  free_octets_.store(space->octets);
  short_of_space_.store(space->octets < options_.reserve || few_inodes);
  return few_inodes;
}

void SegmentMaker::check_space() {
  bool few_inodes = look_at_space();
  Status made;
  {
    std::lock_guard lock(mutex_);
    if (failed_) made = *failed_;
  }
  settle_refusal(made, few_inodes);
}

void SegmentMaker::settle_refusal(const Status& made, bool few_inodes) {
  Refusal now = short_of_space_.load() ? Refusal::full : Refusal::none;
  if (!made) now = made.error().code == Errc::no_space ? Refusal::full : Refusal::broken;
  if (refusal_.exchange(now) == now) return;
  std::string why = !made ? made.error().text : few_inodes ? "no inodes are left" : "free space is below the reserve";
  if (now == Refusal::full) observer_.spool_event(SpoolEvent::full, "", why);
  if (now == Refusal::broken) observer_.spool_event(SpoolEvent::write_failed, "segments", why);
  if (now == Refusal::none) observer_.spool_event(SpoolEvent::space_again, "", "new messages are accepted again");
}

Status SegmentMaker::accepting() const {
  switch (refusal_.load(std::memory_order_relaxed)) {
    case Refusal::none: return {};
    case Refusal::full: return fail(Errc::no_space, "the spool is full");
    case Refusal::broken: return fail(Errc::io, "the spool cannot be written");
  }
  return {};
}

}  // namespace veredus::spool_detail
