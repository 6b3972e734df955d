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
  if (op->awaited_) {
    op->asked_to_end_ = true;
    if (op->notice_) op->notice_->set();
    return;
  }
  op->release();
  if (op->busy_) op->cancelled_ = true;
  else op->handle_.destroy();
}

void OpTable::cancel_all() {
  stopped_ = true;
  std::vector<std::pair<OpService, OpId>> all;
  slots_.each([&](SlotHandle, Op* op) { all.emplace_back(op->service_, op->id_); });
  for (auto [service, id] : all) cancel(service, id);
}

}  // namespace veredus
