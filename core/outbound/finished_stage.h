// FinishedStage: tells the hooks of stage finished what the queue reports of recipients in their final state. The queue is in the middle of its
// work then, and a hook may want something of it: hooks are told in a job of the queue's loop right after. Costs a branch while none listens.
// Belongs to the queue loop; outlives its last turn.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hooks/runner.h"
#include "queue/queue.h"

namespace veredus {

class FinishedStage {
 public:
  explicit FinishedStage(Runner& runner) : runner_(runner) {}
  FinishedStage(const FinishedStage&) = delete;

  void note(const FinishedRecipient& finished);

 private:
  struct Noted {
    std::shared_ptr<const Envelope> envelope;  // one copy for recipients of a message that finish together
    uint32_t recipient = 0;
    RecipientState state = RecipientState::delivered;
    std::string destination, remote;
    Reply reply;
  };
  void tell_all();

  Runner& runner_;
  std::vector<Noted> noted_;
};

}  // namespace veredus
