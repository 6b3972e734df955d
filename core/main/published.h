// Published<T>: counters of one loop as other threads may read them. T is made of 64-bit counters only. write() at the end of each turn of
// the owning loop; read() anywhere, each counter by itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace veredus {

template <typename T>
class Published {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(uint64_t) == 0);
  static constexpr size_t kWords = sizeof(T) / sizeof(uint64_t);

 public:
  void write(const T& counters) {
    uint64_t words[kWords];
    std::memcpy(words, &counters, sizeof words);
    for (size_t i = 0; i < kWords; ++i) words_[i].store(words[i], std::memory_order_relaxed);
  }

  T read() const {
    uint64_t words[kWords];
    for (size_t i = 0; i < kWords; ++i) words[i] = words_[i].load(std::memory_order_relaxed);
    T out;
    std::memcpy(&out, words, sizeof out);
    return out;
  }

 private:
  std::atomic<uint64_t> words_[kWords] = {};
};

}  // namespace veredus
