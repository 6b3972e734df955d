// Tokens: a swap of one word decides between completion, time-out and abort; the rest happens on the loop.
#include "hooks/pending.h"

#include <algorithm>
#include <utility>

namespace veredus {

namespace {

constexpr uint64_t kIndexMask = 0xFFFFFF;
constexpr Millis kLongest{3'600'000};

uint64_t word_of(PendingToken token, uint64_t state) { return (token >> 32) << 32 | state; }

}  // namespace

PendingCall::PendingCall(PendingTable& table) : table_(table), answered_(table.loop()) {}

PendingCall::~PendingCall() {
  if (token_ != 0 && !abandon()) table_.detach(token_);
}

PendingToken PendingCall::open(Millis timeout) {
  if (opened_ || timeout <= Millis(0)) return 0;
  token_ = table_.open(*this);
  opened_ = token_ != 0;
  deadline_ = Deadline::in(table_.loop(), std::min(timeout, kLongest));
  return token_;
}

Task<std::optional<HookAnswer>> PendingCall::answer() {
  bool answered = co_await answered_.wait(deadline_);
  if (!answered && abandon()) co_return std::nullopt;
  // The time was up, but a completion won and its job is already posted to this loop.
  if (!answered) co_await answered_.wait(Deadline::never());
  co_return std::move(answer_);
}

bool PendingCall::abandon() {
  PendingToken token = token_;
  if (token == 0) return false;
  if (!table_.close(token)) return false;
  token_ = 0;
  return true;
}

void PendingCall::expire(void* self) {
  auto* call = static_cast<PendingCall*>(self);
  if (call->abandon()) call->answered_.set();  // without an answer
}

void PendingTable::limit(PendingToken token, Millis timeout) {
  Slot* slot = slot_of(token);
  if (!slot || !slot->owner || slot->word.load(std::memory_order_acquire) != word_of(token, kWaiting)) return;
  slot->owner->limit_.cancel();
  slot->owner->limit_.start(loop_, loop_.now() + timeout, &PendingCall::expire, slot->owner);
}

PendingTable::~PendingTable() {
  for (std::atomic<Slot*>& chunk : chunks_) delete[] chunk.load();
}

PendingTable::Slot* PendingTable::slot_of(PendingToken token) const {
  uint64_t index = token & kIndexMask;
  if (token == 0 || index >= kChunkSize * kChunks || loop_of(token) != (loop_.index() & 0xFF)) return nullptr;
  Slot* chunk = chunks_[index / kChunkSize].load(std::memory_order_acquire);
  return chunk ? chunk + index % kChunkSize : nullptr;
}

bool PendingTable::grow() {
  if (chunk_count_ == kChunks) return false;
  chunks_[chunk_count_].store(new Slot[kChunkSize], std::memory_order_release);
  for (size_t i = kChunkSize; i-- > 0;) free_.push_back(static_cast<uint32_t>(chunk_count_ * kChunkSize + i));
  ++chunk_count_;
  return true;
}

PendingToken PendingTable::open(PendingCall& owner) {
  if (free_.empty() && !grow()) return 0;
  uint64_t index = free_.back();
  free_.pop_back();
  Slot& slot = chunks_[index / kChunkSize].load(std::memory_order_relaxed)[index % kChunkSize];
  uint64_t generation = slot.word.load(std::memory_order_relaxed) >> 32;
  slot.owner = &owner;
  slot.word.store(generation << 32 | kWaiting, std::memory_order_release);
  ++open_;
  return generation << 32 | uint64_t{loop_.index() & 0xFF} << 24 | index;
}

Completion PendingTable::complete(PendingToken token, HookAnswer answer) {
  Slot* slot = slot_of(token);
  uint64_t expected = word_of(token, kWaiting);
  if (!slot || !slot->word.compare_exchange_strong(expected, word_of(token, kCompleted), std::memory_order_acq_rel))
    return Completion::late;
  loop_.post_call([this, token, answer = std::move(answer)]() mutable { deliver(token, std::move(answer)); });
  return Completion::taken;
}

void PendingTable::deliver(PendingToken token, HookAnswer answer) {
  Slot* slot = slot_of(token);
  PendingCall* owner = slot->owner;
  release(token, *slot);
  if (!owner) return;
  owner->token_ = 0;
  owner->answer_ = std::move(answer);
  owner->answered_.set();
}

bool PendingTable::close(PendingToken token) {
  Slot* slot = slot_of(token);
  uint64_t expected = word_of(token, kWaiting);
  if (!slot->word.compare_exchange_strong(expected, word_of(token, kFree), std::memory_order_acq_rel)) return false;
  release(token, *slot);
  return true;
}

void PendingTable::detach(PendingToken token) { slot_of(token)->owner = nullptr; }

// The next token of this slot has another generation, so older ones find nothing.
void PendingTable::release(PendingToken token, Slot& slot) {
  uint64_t generation = ((token >> 32) + 1) & 0xFFFFFFFF;
  slot.owner = nullptr;
  slot.word.store((generation == 0 ? 1 : generation) << 32 | kFree, std::memory_order_release);
  free_.push_back(static_cast<uint32_t>(token & kIndexMask));
  --open_;
}

}  // namespace veredus
