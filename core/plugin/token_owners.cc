// The last few tokens of each slot.
#include "plugin/token_owners.h"

#include <algorithm>

namespace veredus {

namespace {

constexpr uint64_t kIndexMask = 0xFFFFFF;

}  // namespace

TokenOwners::~TokenOwners() {
  for (std::atomic<Slot*>& chunk : chunks_) delete[] chunk.load();
}

void TokenOwners::note(PendingToken token, uint32_t plugin, size_t stage) {
  uint64_t index = token & kIndexMask, generation = token >> 32;
  if (index >= kChunkSize * kChunks) return;
  std::atomic<Slot*>& chunk = chunks_[index / kChunkSize];
  if (!chunk.load(std::memory_order_relaxed)) chunk.store(new Slot[kChunkSize](), std::memory_order_release);
  Slot& slot = chunk.load(std::memory_order_relaxed)[index % kChunkSize];
  slot[generation % kKept].store(generation << 32 | uint64_t{plugin} << 8 | (stage & 0xFF), std::memory_order_release);
}

TokenOwner TokenOwners::find(PendingToken token) const {
  uint64_t index = token & kIndexMask, generation = token >> 32;
  TokenOwner out;
  if (token == 0 || index >= kChunkSize * kChunks) return out;
  const Slot* chunk = chunks_[index / kChunkSize].load(std::memory_order_acquire);
  if (!chunk) return out;
  uint64_t newest = 0;
  for (const std::atomic<uint64_t>& cell : chunk[index % kChunkSize]) {
    uint64_t word = cell.load(std::memory_order_acquire);
    newest = std::max(newest, word >> 32);
    if (word >> 32 == generation) return {TokenOwner::Known::yes, static_cast<uint32_t>(word >> 8 & 0xFFFFFF), word & 0xFF};
  }
  if (generation != 0 && generation < newest) out.known = TokenOwner::Known::forgotten;
  return out;
}

}  // namespace veredus
