// StageCalls: the hooks as a session sees them. The worker gives an adapter round the runner; NoHooks is for
// a daemon without plugins and for tests. [loop]
#pragma once

#include "hooks/hooks.h"
#include "loop/task.h"

namespace veredus {

class StageCalls {
 public:
  virtual ~StageCalls() = default;
  virtual bool any(Stage stage) const = 0;  // false: do not bother to ask or to tell
  virtual Task<Decision> ask(Stage stage, Subject subject) = 0;
  virtual void tell(Stage stage, const Subject& subject) = 0;  // queued, transaction_end, disconnect
};

class NoHooks final : public StageCalls {
 public:
  bool any(Stage) const override { return false; }
  Task<Decision> ask(Stage, Subject) override { co_return Decision(); }
  void tell(Stage, const Subject&) override {}
};

}  // namespace veredus
