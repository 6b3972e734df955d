// DeliveryHooks: the stages route, attempt and result as outbound sees them. The worker gives an adapter round the runner; NoDeliveryHooks
// is for a daemon without plugins and for tests. [loop]
#pragma once

#include "hooks/hooks.h"
#include "loop/task.h"

namespace veredus {

class DeliveryHooks {
 public:
  virtual ~DeliveryHooks() = default;
  virtual bool any(Stage stage) const = 0;
  virtual Task<Decision> ask(Stage stage, Subject subject) = 0;
};

class NoDeliveryHooks final : public DeliveryHooks {
 public:
  bool any(Stage) const override { return false; }
  Task<Decision> ask(Stage, Subject) override { co_return Decision(); }
};

}  // namespace veredus
