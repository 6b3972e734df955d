// Leases to loops.
#include "outbound/courier.h"

#include "outbound/delivery.h"

namespace veredus {

namespace {

// A lease that reaches no loop any more goes back unused.
struct Handover {
  Handover(OutboundContext* c, Lease l) : context(c), lease(std::move(l)) {}
  Handover(Handover&& other) noexcept : context(std::exchange(other.context, nullptr)), lease(std::move(other.lease)) {}
  ~Handover() {
    if (context) context->port.end(lease.id, LeaseEnd::shutdown, Reply(), std::nullopt);
  }
  void operator()() {
    if (context->draining) return;
    OutboundContext& to = *std::exchange(context, nullptr);
    to.scope.spawn(deliver(to, std::move(lease)));
  }
  OutboundContext* context;
  Lease lease;
};

}  // namespace

void OutboundCourier::open(Lease lease) {
  OutboundContext* context = contexts_[turn_++ % contexts_.size()];
  context->loop.post_call(Handover(context, std::move(lease)));
}

Task<bool> OutboundCourier::drain(OutboundContext& context, Deadline deadline) {
  context.draining = true;
  bool ended = co_await context.scope.idle(deadline);
  if (!ended) context.scope.cancel();
  co_return ended;
}

}  // namespace veredus
