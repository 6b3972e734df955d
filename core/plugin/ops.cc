// Beginning, cancelling and forgetting operations.
#include "plugin/ops.h"

#include <vector>

namespace veredus {

void Op::release() {
  if (table_) std::exchange(table_, nullptr)->forget(*this);
}

OpId OpTable::begin(OpService service, OpTask task, bool awaited) {
  if (stopped_) return 0;
  auto handle = std::exchange(task.handle_, {});
  Op& op = handle.promise().op;
  op.table_ = this;
  op.id_ = slots_.insert(&op).value;
  op.service_ = service;
  op.awaited_ = awaited;
  op.handle_ = handle;
  ++open_[static_cast<size_t>(service)];
  idle_.reset();
  op.start_.arm(handle);
  op.start_.wake(loop_);
  return op.id_;
}

void OpTable::forget(Op& op) {
  slots_.take(SlotHandle{op.id_});
  --open_[static_cast<size_t>(op.service_)];
  if (slots_.size() == 0) idle_.set();
}

Op* OpTable::find(OpService service, OpId id) {
  Op** found = slots_.find(SlotHandle{id});
  return found && (*found)->service_ == service ? *found : nullptr;
}

void OpTable::cancel(OpService service, OpId id) {
  Op* op = find(service, id);
  if (!op) return;
  if (op->notice_) return op->notice_->set();
  op->release();
  if (op->busy_) op->cancelled_ = true;
  else op->handle_.destroy();
}

void OpTable::cancel_all() {
  stopped_ = true;
  std::vector<Op*> all;
  slots_.each([&](SlotHandle, Op* op) { all.push_back(op); });
  for (Op* op : all) {
    op->stopping_ = true;
    if (!op->awaited_) cancel(op->service_, op->id_);
    else if (op->notice_) op->notice_->set();
  }
}

}  // namespace veredus
