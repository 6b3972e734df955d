// Which thread is which loop's, and which loops have plugins.
#include "plugin/loop_services.h"

#include <array>
#include <atomic>

#include "plugin/calls.h"

namespace veredus {

namespace {

constexpr size_t kMostLoops = 256;  // as many as a token can name

thread_local LoopServices* current = nullptr;
std::array<std::atomic<LoopServices*>, kMostLoops> by_index{};

}  // namespace

LoopServices::LoopServices(Loop& l, Log& g) : loop(l), log(g), calls(std::make_unique<Calls>(*this)) {
  by_index[loop.index() % kMostLoops].store(this, std::memory_order_release);
}

LoopServices::~LoopServices() {
  if (current == this) current = nullptr;
  LoopServices* me = this;
  by_index[loop.index() % kMostLoops].compare_exchange_strong(me, nullptr);
}

LoopServices* LoopServices::here() { return current; }

LoopServices* LoopServices::of(unsigned loop) { return loop < kMostLoops ? by_index[loop].load(std::memory_order_acquire) : nullptr; }

void LoopServices::enter() { current = this; }

void LoopServices::leave() {
  if (current == this) current = nullptr;
}

}  // namespace veredus
