// core.timer/1: calls later. A period is kept from the first call on; calls that a busy loop has missed are not made up for.
#include <veredus/timer.h>

#include "plugin/host_support.h"
#include "plugin/interfaces.h"

namespace veredus {

namespace {

constexpr size_t kMost = 100'000;
constexpr uint64_t kShortestPeriod = 10, kLongest = uint64_t{366} * 86'400'000;

OpTask run_timer(Shard* shard, Millis delay, Millis period, void* ctx, vrd_timer_fn fn) {
  Op& op = co_await CurrentOp();
  Loop& loop = shard->services.loop;
  MonoTime when = loop.now() + delay;
  co_await sleep_until(loop, Deadline{when});
  auto call = [&] { call_back(shard, "timer", [&] { fn(ctx); }); };
  while (period > Millis(0)) {
    if (!op.tell(call)) co_return;
    when = std::max(when + period, loop.now() + Millis(1));
    co_await sleep_until(loop, Deadline{when});
  }
  op.release();
  call();
}

vrd_status start(const vrd_host* host, uint64_t delay_ms, uint64_t period_ms, void* ctx, vrd_timer_fn fn, vrd_op* timer) {
  Asking asking(host, "core.timer start", OpService::timer, kMost);
  if (asking.status() == VRD_E_BUSY) return VRD_E_MEMORY;
  if (!asking) return asking.status();
  if (!fn || delay_ms > kLongest || period_ms > kLongest || (period_ms != 0 && period_ms < kShortestPeriod)) return VRD_E_INVALID;
  Millis delay(static_cast<int64_t>(delay_ms)), period(static_cast<int64_t>(period_ms));
  return asking.begin(run_timer(&asking.shard(), delay, period, ctx, fn), timer);
}

void cancel(const vrd_host* host, vrd_op timer) { cancel_op(host, "core.timer cancel", OpService::timer, timer); }

}  // namespace

const vrd_core_timer_1& core_timer() {
  static constexpr vrd_core_timer_1 table{VRD_SIZED(vrd_core_timer_1), 0, start, cancel};
  return table;
}

}  // namespace veredus
