// The queue of requests, the answers, and the layout of a group.
#include "spool/op.h"

namespace veredus::spool_detail {

Op::~Op() {
  if (asker_) asker_->op_ = nullptr;
}

void OpQueue::push(std::unique_ptr<Op> op) {
  Op* mine = op.release();
  Op* before = newest_.load(std::memory_order_relaxed);
  do mine->next = before;
  while (!newest_.compare_exchange_weak(before, mine, std::memory_order_release, std::memory_order_relaxed));
  if (before) return;  // whoever came first woke the writer
  { std::lock_guard lock(mutex_); }
  wake_.notify_one();
}

void OpQueue::nudge() {
  {
    std::lock_guard lock(mutex_);
    nudged_ = true;
  }
  wake_.notify_one();
}

void OpQueue::end() {
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
  }
  wake_.notify_one();
}

bool OpQueue::ended() {
  std::lock_guard lock(mutex_);
  return ended_ && !newest_.load(std::memory_order_acquire);
}

Op* OpQueue::take(std::optional<std::chrono::steady_clock::time_point> until) {
  std::unique_lock lock(mutex_);
  auto something = [this] { return ended_ || nudged_ || newest_.load(std::memory_order_acquire); };
  if (until)
    wake_.wait_until(lock, *until, something);
  else
    wake_.wait(lock, something);
  nudged_ = false;
  lock.unlock();
  Op* oldest = nullptr;
  for (Op* op = newest_.exchange(nullptr, std::memory_order_acquire); op;) {
    Op* following = std::exchange(op->next, oldest);
    oldest = std::exchange(op, following);
  }
  return oldest;
}

Answers::~Answers() {
  while (first_) delete std::exchange(first_, first_->next);
}

void Answers::run() {
  while (first_) {
    std::unique_ptr<Op> op(std::exchange(first_, first_->next));
    if (!op->asker_) continue;
    if (op->error) op->asker_->status_ = std::move(*op->error);
    op->asker_->waiter_.wake(op->asker_->loop_);
  }
}

void Group::begin(uint32_t segment, uint64_t at, bool synced_before) {
  segment_ = segment;
  at_ = at;
  size_ = 0;
  synced_before_ = synced_before;
  headers_.clear();
  pieces_.clear();
}

void Group::piece(std::string_view octets) {
  if (!octets.empty()) pieces_.push_back({const_cast<char*>(octets.data()), octets.size()});
}

Place Group::add(RecordType type, MessageId id, uint32_t salt, uint32_t crc, std::initializer_list<std::string_view> parts) {
  static constexpr char kZeros[kAlignment] = {};
  uint64_t length = 0;
  for (std::string_view part : parts) length += part.size();
  Place place = Place::at(segment_, at_ + size_);
  uint16_t flags = headers_.empty() && synced_before_ ? kSyncedBefore : 0;
  RecordHeader header{type, flags, static_cast<uint32_t>(length), crc, id, segment_};
  headers_.push_back(encode_header(header, salt));
  piece({headers_.back().data(), kHeaderSize});
  for (std::string_view part : parts) piece(part);
  piece({kZeros, padded(length) - length});
  size_ += record_size(length);
  return place;
}

}  // namespace veredus::spool_detail
