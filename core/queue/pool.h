// Pool<T>: slots of small records in chunks, reached by 32-bit indices; addresses never move. A slot carries
// a generation, so that a handle (generation and index) given to somebody else finds nothing once the slot
// has been reused. Belongs to the queue loop.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace veredus::queue_detail {

using Index = uint32_t;
inline constexpr Index kNone = UINT32_MAX;

// T has a public member `generation`, 1 in a new T.
template <typename T>
class Pool {
 public:
  Index take() {
    ++live_;
    if (!free_.empty()) {
      Index index = free_.back();
      free_.pop_back();
      return index;
    }
    if (end_ == chunks_.size() * kChunk) chunks_.push_back(std::make_unique<T[]>(kChunk));
    return end_++;
  }

  void give_back(Index index) {
    T& slot = (*this)[index];
    uint32_t generation = slot.generation + 1;
    slot = T{};
    slot.generation = generation == 0 ? 1 : generation;
    free_.push_back(index);
    --live_;
  }

  T& operator[](Index index) { return chunks_[index / kChunk][index % kChunk]; }
  const T& operator[](Index index) const { return chunks_[index / kChunk][index % kChunk]; }

  uint64_t handle(Index index) const { return uint64_t{(*this)[index].generation} << 32 | index; }
  Index find(uint64_t handle) const {  // kNone if the slot has been given back since
    auto index = static_cast<Index>(handle);
    return index < end_ && (*this)[index].generation == handle >> 32 ? index : kNone;
  }

  size_t live() const { return live_; }
  Index end() const { return end_; }  // every index in use is below

 private:
  static constexpr size_t kChunk = 1024;

  std::vector<std::unique_ptr<T[]>> chunks_;
  std::vector<Index> free_;
  Index end_ = 0;
  size_t live_ = 0;
};

}  // namespace veredus::queue_detail
