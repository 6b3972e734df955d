// MemoryBudget: octets of messages being received, all sessions of all loops together. BudgetShare is what
// one message holds of it and gives back when it dies. [any]
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace veredus {

class MemoryBudget {
 public:
  explicit MemoryBudget(uint64_t cap) : cap_(cap) {}
  bool take(uint64_t octets) {
    if (used_.fetch_add(octets, std::memory_order_relaxed) + octets <= cap_.load(std::memory_order_relaxed))
      return true;
    give(octets);
    return false;
  }
  void give(uint64_t octets) { used_.fetch_sub(octets, std::memory_order_relaxed); }
  void set_cap(uint64_t cap) { cap_.store(cap, std::memory_order_relaxed); }
  uint64_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> used_{0};
  std::atomic<uint64_t> cap_;
};

class BudgetShare {
 public:
  explicit BudgetShare(MemoryBudget& budget) : budget_(budget) {}
  BudgetShare(const BudgetShare&) = delete;
  ~BudgetShare() { release(); }

  bool grow_to(uint64_t octets) {
    if (octets <= held_) return true;
    uint64_t step = octets - held_ < kStep ? kStep : octets - held_;
    if (!budget_.take(step)) return false;
    held_ += step;
    return true;
  }
  void release() { budget_.give(std::exchange(held_, 0)); }
  uint64_t held() const { return held_; }

 private:
  static constexpr uint64_t kStep = 4096;  // few atomic operations for a growing message
  MemoryBudget& budget_;
  uint64_t held_ = 0;
};

}  // namespace veredus
