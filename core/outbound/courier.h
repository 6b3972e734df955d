// OutboundCourier: the queue's Courier. Hands every lease to one of the loops in turn, where a Delivery lives in the context's scope.
// open() is called on the queue's loop; drain and cancel on the context's own loop.
#pragma once

#include <vector>

#include "outbound/context.h"

namespace veredus {

class OutboundCourier final : public Courier {
 public:
  explicit OutboundCourier(std::vector<OutboundContext*> contexts) : contexts_(std::move(contexts)) {}

  void open(Lease lease) override;

  // [context's loop] No further attempts; deliveries finish the transaction in hand. Idle ones end when the queue closes them.
  // false: some did not end in time and were cut off; their leases are given back.
  static Task<bool> drain(OutboundContext& context, Deadline deadline);

 private:
  std::vector<OutboundContext*> contexts_;
  size_t turn_ = 0;
};

}  // namespace veredus
