// FlatIndex: a hash table of record indices that keeps no keys: hashing and comparing look at the records.
// Four octets an entry at a load of at most three quarters. Belongs to the queue loop.
#pragma once

#include <vector>

#include "queue/pool.h"

namespace veredus::queue_detail {

inline uint64_t mixed(uint64_t value) {
  value = (value ^ value >> 31) * 0x9E3779B97F4A7C15ull;
  return value ^ value >> 32;
}

class FlatIndex {
 public:
  template <typename Same>
  Index find(uint64_t hash, Same same) const {
    if (table_.empty()) return kNone;
    for (size_t i = hash & mask(); table_[i] != kNone; i = (i + 1) & mask())
      if (same(table_[i])) return table_[i];
    return kNone;
  }

  template <typename HashOf>
  void insert(Index index, HashOf hash_of) {
    if ((count_ + 1) * 4 > table_.size() * 3) grow(hash_of);
    place(index, hash_of(index));
    ++count_;
  }

  template <typename HashOf>
  void erase(Index index, HashOf hash_of) {
    if (table_.empty()) return;
    size_t i = hash_of(index) & mask();
    while (table_[i] != index) {
      if (table_[i] == kNone) return;
      i = (i + 1) & mask();
    }
    --count_;
    close_gap(i, hash_of);
  }

  size_t size() const { return count_; }

 private:
  size_t mask() const { return table_.size() - 1; }

  void place(Index index, uint64_t hash) {
    size_t i = hash & mask();
    while (table_[i] != kNone) i = (i + 1) & mask();
    table_[i] = index;
  }

  template <typename HashOf>
  void grow(HashOf hash_of) {
    std::vector<Index> old(table_.empty() ? 16 : table_.size() * 2, kNone);
    old.swap(table_);
    for (Index index : old)
      if (index != kNone) place(index, hash_of(index));
  }

  // Moves later entries of the run back over the gap, so that no search ends too early.
  template <typename HashOf>
  void close_gap(size_t gap, HashOf hash_of) {
    for (size_t i = (gap + 1) & mask(); table_[i] != kNone; i = (i + 1) & mask()) {
      size_t home = hash_of(table_[i]) & mask();
      if (((i - home) & mask()) < ((i - gap) & mask())) continue;
      table_[gap] = table_[i];
      gap = i;
    }
    table_[gap] = kNone;
  }

  std::vector<Index> table_;
  size_t count_ = 0;
};

}  // namespace veredus::queue_detail
