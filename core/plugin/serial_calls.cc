// Two halves of an answer become one.
#include "plugin/serial_calls.h"

#include <algorithm>
#include <utility>

namespace veredus {

void merge_answers(HookAnswer& first, HookAnswer second) {
  first.verdict = std::move(second.verdict);
  for (Edit& edit : second.edits) first.edits.push_back(std::move(edit));
  first.body += second.body;
}

void SerialCalls::begin(PendingToken token) {
  std::lock_guard lock(mutex_);
  calls_[token] = Call();
}

void SerialCalls::sweep() {
  auto now = std::chrono::steady_clock::now();
  std::erase_if(calls_, [now](const auto& entry) { return entry.second.useless_after < now; });
  sweep_at_ = std::max<size_t>(1024, calls_.size() * 2);
}

std::optional<HookAnswer> SerialCalls::suspend(PendingToken token, HookAnswer so_far, Millis wait) {
  std::lock_guard lock(mutex_);
  if (calls_.size() >= sweep_at_) sweep();
  Call& call = calls_[token];
  call.running = false;
  call.useless_after = std::chrono::steady_clock::now() + wait;
  call.so_far = std::move(so_far);
  if (!call.early) return std::nullopt;
  merge_answers(call.so_far, std::move(*call.early));
  HookAnswer out = std::move(call.so_far);
  calls_.erase(token);
  return out;
}

void SerialCalls::end(PendingToken token) {
  std::lock_guard lock(mutex_);
  calls_.erase(token);
}

bool SerialCalls::forget(PendingToken token) {
  std::lock_guard lock(mutex_);
  return calls_.erase(token) != 0;
}

SerialCalls::Take SerialCalls::answer(PendingToken token, HookAnswer& answer) {
  std::lock_guard lock(mutex_);
  auto found = calls_.find(token);
  if (found == calls_.end()) return Take::unknown;
  Call& call = found->second;
  if (call.running) {
    if (call.early) return Take::twice;
    call.early = std::move(answer);
    return Take::kept;
  }
  merge_answers(call.so_far, std::move(answer));
  answer = std::move(call.so_far);
  calls_.erase(found);
  return Take::merged;
}

}  // namespace veredus
