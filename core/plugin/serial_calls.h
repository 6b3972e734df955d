// SerialCalls: calls of a serial plugin that were carried to its loop and wait for their answer. Keeps what a hook wanted before it
// deferred, and an answer that comes while the hook still runs, so that both reach the waiting side as one. Tokens are completed within the
// mutex: whoever finds no call here any more finds the token decided. [any]
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
  // The hook has deferred and returned: what it said so far. True: an answer came meanwhile, and went out behind that. `wait`: how long
  // an answer can be of use.
  bool suspend(PendingToken token, HookAnswer so_far, Millis wait, PendingTable& table);
  // The hook has answered at once; an answer that came while it ran was first, and goes out instead.
  void end(PendingToken token, HookAnswer answer, PendingTable& table);
  // False: nobody waits for it, or did when it was aborted.
  bool forget(PendingToken token);
  // An answer through the token. False: too late.
  bool answer(PendingToken token, HookAnswer answer, PendingTable& table);

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
