// SerialCalls: calls of a serial plugin that were carried to its loop and wait for their answer. Keeps what a hook wanted before it
// deferred, and an answer that comes while the hook still runs, so that both reach the waiting side as one. [any]
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>

#include "hooks/pending.h"

namespace veredus {

class SerialCalls {
 public:
  // Around the call, on the serving loop.
  void begin(PendingToken token);
  // The hook has deferred and returned: what it said so far. An answer that came meanwhile is given back, with that in front.
  // `wait`: how long an answer can be of use.
  std::optional<HookAnswer> suspend(PendingToken token, HookAnswer so_far, Millis wait);
  // The hook has answered at once: nobody else may any more.
  void end(PendingToken token);
  // False: nobody waits for it, or did when it was aborted.
  bool forget(PendingToken token);

  enum class Take : uint8_t { unknown, kept, twice, merged };
  // An answer. kept: it goes with the return of the hook. merged: `answer` is complete now and to be delivered by the caller.
  Take answer(PendingToken token, HookAnswer& answer);

 private:
  struct Call {
    bool running = true;
    HookAnswer so_far;
    std::optional<HookAnswer> early;
    std::chrono::steady_clock::time_point useless_after = std::chrono::steady_clock::time_point::max();
  };
  void sweep();  // nobody tells when a wait has timed out

  size_t sweep_at_ = 1024;
  std::mutex mutex_;
  std::map<PendingToken, Call> calls_;
};

// The second answer follows the first.
void merge_answers(HookAnswer& first, HookAnswer second);

}  // namespace veredus
