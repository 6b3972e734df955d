// Slots<T>: a table of objects reached by handles that carry a generation, so a stale handle finds nothing.
// Owns its objects. Belongs to one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace veredus {

struct SlotHandle {
  uint64_t value = 0;  // index in the low half, generation in the high half; 0 = none
  bool operator==(const SlotHandle&) const = default;
  explicit operator bool() const { return value != 0; }
};

template <typename T>
class Slots {
 public:
  SlotHandle insert(T object) {
    uint32_t index = take_free();
    Entry& entry = entries_[index];
    entry.object.emplace(std::move(object));
    ++count_;
    return SlotHandle{uint64_t{entry.generation} << 32 | index};
  }

  T* find(SlotHandle handle) {
    Entry* entry = entry_of(handle);
    return entry ? &*entry->object : nullptr;
  }

  std::optional<T> take(SlotHandle handle) {
    Entry* entry = entry_of(handle);
    if (!entry) return std::nullopt;
    std::optional<T> out = std::move(entry->object);
    entry->object.reset();
    if (++entry->generation == 0) entry->generation = 1;
    free_.push_back(static_cast<uint32_t>(handle.value));
    --count_;
    return out;
  }

  size_t size() const { return count_; }

  template <typename F>
  void each(F visit) {
    for (uint32_t i = 0; i < entries_.size(); ++i)
      if (entries_[i].object) visit(SlotHandle{uint64_t{entries_[i].generation} << 32 | i}, *entries_[i].object);
  }

 private:
  struct Entry {
    uint32_t generation = 1;
    std::optional<T> object;
  };

  uint32_t take_free() {
    if (free_.empty()) {
      entries_.emplace_back();
      return static_cast<uint32_t>(entries_.size() - 1);
    }
    uint32_t index = free_.back();
    free_.pop_back();
    return index;
  }

  Entry* entry_of(SlotHandle handle) {
    auto index = static_cast<uint32_t>(handle.value);
    if (!handle || index >= entries_.size()) return nullptr;
    Entry& entry = entries_[index];
    return entry.object && entry.generation == handle.value >> 32 ? &entry : nullptr;
  }

  std::vector<Entry> entries_;
  std::vector<uint32_t> free_;
  size_t count_ = 0;
};

}  // namespace veredus
