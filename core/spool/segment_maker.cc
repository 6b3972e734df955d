// Preparing comes before sealing: a commit may be waiting for it.
#include "spool/segment_maker.h"

#include <algorithm>

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
  check_space();
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
  bool short_of_space = short_of_space_.load();
  set_full(short_of_space || !made.ok(), made ? "free space is below the reserve" : made.error().text);
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

void SegmentMaker::check_space() {
  Result<FreeSpace> space = storage_.free_space();
  if (!space) return;
  free_octets_.store(space->octets);
  short_of_space_.store(space->octets < options_.reserve || space->inodes < kFewInodes);
  bool failed = false;
  {
    std::lock_guard lock(mutex_);
    failed = failed_.has_value();
  }
  set_full(short_of_space_.load() || failed, space->inodes < kFewInodes ? "no inodes are left" : "free space is below the reserve");
}

void SegmentMaker::set_full(bool full, const std::string& why) {
  if (full_.exchange(full) == full) return;
  observer_.spool_event(full ? SpoolEvent::full : SpoolEvent::space_again, "", full ? why : "new messages are accepted again");
}

}  // namespace veredus::spool_detail
