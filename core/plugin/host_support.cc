// Who asks, and whether it may.
#include "plugin/host_support.h"

namespace veredus {

Asking::Asking(const vrd_host* host, std::string_view function, OpService service, size_t most) : service_(service) {
  const Instance& instance = Instance::of(host);
  if (!instance.check_loop(function)) {
    status_ = VRD_E_THREAD;
  } else if (shard_ = instance.here(); !shard_) {
    status_ = VRD_E_THREAD;
  } else if (shard_->ops.stopped()) {
    status_ = VRD_E_STATE;
  } else if (shard_->ops.open(service) >= most) {
    status_ = VRD_E_BUSY;
  }
}

void cancel_op(const vrd_host* host, std::string_view function, OpService service, vrd_op op) {
  const Instance& instance = Instance::of(host);
  if (op == 0 || !instance.check_loop(function)) return;
  if (Shard* shard = instance.here()) shard->ops.cancel(service, op);
}

}  // namespace veredus
