// core.work/1: blocking jobs on the pool. A job that has begun is waited for before its shard stops; whoever begins it and whoever cancels
// it first, decides by one swap.
#include <veredus/work.h>

#include <atomic>

#include "plugin/host_support.h"
#include "plugin/interfaces.h"

namespace veredus {

namespace {

constexpr size_t kMost = 1'000;

struct WorkJob {
  enum State : int { kWaiting, kBegun, kCancelled };
  WorkJob(Loop& loop, std::shared_ptr<PluginRecord> r, void* c, vrd_work_fn w)
      : record(std::move(r)), ctx(c), work(w), ended(loop) {}
  bool claim(State state) {
    int expected = kWaiting;
    return this->state.compare_exchange_strong(expected, state);
  }
  std::shared_ptr<PluginRecord> record;
  void* ctx;
  vrd_work_fn work;
  std::atomic<int> state{kWaiting};
  Event ended;  // [loop] it is done, or is asked to end
  bool done = false;
};

void carry_out(const std::shared_ptr<WorkJob>& job, Loop& loop) {
  if (!job->claim(WorkJob::kBegun)) return;
  guarded(*job->record, "work", [&] { job->work(job->ctx); });
  loop.post_call([job] {
    job->done = true;
    job->ended.set();
  });
}

OpTask run_work(Shard* shard, void* ctx, vrd_work_fn work, vrd_work_done_fn done) {
  Op& op = co_await CurrentOp();
  Loop& loop = shard->services.loop;
  auto job = std::make_shared<WorkJob>(loop, shard->instance.record(), ctx, work);
  op.on_ask(&job->ended);
  bool queued = !op.asked_to_end() && shard->services.pool->submit([job, l = &loop] { carry_out(job, *l); });
  if (queued) co_await job->ended.wait(Deadline::never());  // for work that ends, or for being asked to
  bool begun = queued && !job->claim(WorkJob::kCancelled);
  while (begun && !job->done) {
    job->ended.reset();
    co_await job->ended.wait(Deadline::never());  // it runs and cannot be stopped
  }
  bool asked = op.asked_to_end();
  op.release();
  vrd_status status = begun ? VRD_OK : asked ? VRD_E_CANCELLED : VRD_E_BUSY;
  call_back(shard, "work done", [&] { done(ctx, status); });
}

vrd_status run(const vrd_host* host, void* ctx, vrd_work_fn work, vrd_work_done_fn done, vrd_op* job) {
  Asking asking(host, "core.work run", OpService::work, kMost);
  if (!asking) return asking.status();
  if (!work || !done) return VRD_E_INVALID;
  if (!asking.services().pool) return VRD_E_UNSUPPORTED;
  return asking.begin_awaited(run_work(&asking.shard(), ctx, work, done), job);
}

void cancel(const vrd_host* host, vrd_op job) { cancel_op(host, "core.work cancel", OpService::work, job); }

}  // namespace

const vrd_core_work_1& core_work() {
  static constexpr vrd_core_work_1 table{VRD_SIZED(vrd_core_work_1), 0, run, cancel};
  return table;
}

}  // namespace veredus
