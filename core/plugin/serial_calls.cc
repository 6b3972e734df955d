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

bool SerialCalls::suspend(PendingToken token, HookAnswer so_far, Millis wait, PendingTable& table) {
  std::lock_guard lock(mutex_);
  if (calls_.size() >= sweep_at_) sweep();
  Call& call = calls_[token];
  call.running = false;
  call.useless_after = std::chrono::steady_clock::now() + wait;
  call.so_far = std::move(so_far);
  if (!call.early) return false;
  merge_answers(call.so_far, std::move(*call.early));
  table.complete(token, std::move(call.so_far));
  calls_.erase(token);
  return true;
}

void SerialCalls::end(PendingToken token, HookAnswer answer, PendingTable& table) {
  std::lock_guard lock(mutex_);
  std::optional<HookAnswer> early = std::move(calls_[token].early);
  calls_.erase(token);
  if (early) merge_answers(answer, std::move(*early));
  table.complete(token, std::move(answer));
}

bool SerialCalls::forget(PendingToken token) {
  std::lock_guard lock(mutex_);
  return calls_.erase(token) != 0;
}

bool SerialCalls::answer(PendingToken token, HookAnswer answer, PendingTable& table) {
  std::lock_guard lock(mutex_);
  auto found = calls_.find(token);
  if (found == calls_.end()) return table.complete(token, std::move(answer)) == Completion::taken;
  Call& call = found->second;
  if (call.running) {
    if (call.early) return false;
    call.early = std::move(answer);
    return true;
  }
  merge_answers(call.so_far, std::move(answer));
  HookAnswer whole = std::move(call.so_far);
  calls_.erase(found);
  return table.complete(token, std::move(whole)) == Completion::taken;
}

}  // namespace veredus
