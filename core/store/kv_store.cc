// The store's thread, its queue, and the way of an answer back to the loop.
#include "store/kv_store.h"

#include "base/thread_name.h"

#include <algorithm>

namespace veredus {

// Shared by the asker, the queue and the job that brings the answer.
struct KvStore::Call {
  Call(Loop& l, std::string s, std::vector<KvOp> o) : loop(l), space(std::move(s)), ops(std::move(o)) {
    for (const KvOp& op : ops) octets += op.octets();
  }
  Loop& loop;
  const std::string space;
  const std::vector<KvOp> ops;
  size_t octets = 0;
  std::atomic<bool> abandoned{false};  // nobody waits any more: not carried out if that has not begun
  std::vector<KvAnswer> answers;
  Event* answered = nullptr;  // [loop]
};

// The asker's end of a call, in its coroutine's frame.
struct KvStore::Asking {
  explicit Asking(std::shared_ptr<Call> c) : call(std::move(c)), answered(call->loop) { call->answered = &answered; }
  ~Asking() {
    call->answered = nullptr;
    call->abandoned.store(true, std::memory_order_relaxed);
  }
  Asking(const Asking&) = delete;
  std::shared_ptr<Call> call;
  Event answered;
};

Result<std::unique_ptr<KvStore>> KvStore::open(KvStoreOptions options, const Clock& clock, LogSink& sink) {
  std::unique_ptr<KvStore> store(new KvStore(std::move(options), clock, sink));
  if (Status opened = store->table_.open(); !opened) return opened.error();
  store->thread_ = std::thread([raw = store.get()] { raw->work(); });
  return store;
}

KvStore::~KvStore() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Task<Result<std::vector<KvAnswer>>> KvStore::run(Loop& loop, std::string space, std::vector<KvOp> ops, Deadline deadline) {
  if (Status legal = kv::check(space, ops); !legal) co_return legal.error();
  Asking asking(std::make_shared<Call>(loop, std::move(space), std::move(ops)));
  if (!push(asking.call)) co_return fail(Errc::busy, "too much is waiting for the store");
  if (!co_await asking.answered.wait(deadline)) co_return fail(Errc::timeout, "the store did not answer in time");
  co_return std::move(asking.call->answers);
}

bool KvStore::push(std::shared_ptr<Call> call) {
  size_t count = call->ops.size();
  bool first;
  {
    std::lock_guard lock(mutex_);
    bool full = queued() + count > options_.max_queued || queued_octets_ + call->octets > options_.max_queued_octets;
    if (full || ending_) return false;
    queued_.fetch_add(count, std::memory_order_relaxed);
    queued_octets_ += call->octets;
    first = queue_.empty();
    queue_.push_back(std::move(call));
  }
  if (first) wake_.notify_one();
  return true;
}

void KvStore::work() {
  name_thread("kv");
  sweep_at_ = std::chrono::steady_clock::now();
  for (bool ending = false; !ending;) {
    Calls calls = take_queued(ending);
    carry_out(calls);
    keep_house();
  }
  table_.commit();
}

KvStore::Calls KvStore::take_queued(bool& ending) {
  std::unique_lock lock(mutex_);
  wake_.wait_until(lock, wake_at(), [this] { return ending_ || !queue_.empty(); });
  ending = ending_;
  queued_octets_ = 0;
  return std::exchange(queue_, {});
}

KvStore::Time KvStore::wake_at() const {
  auto commit = table_.commit_at();
  return commit ? std::min(*commit, sweep_at_) : sweep_at_;
}

// Answers go back in groups: one post for many, yet nobody waits for a whole long queue.
void KvStore::carry_out(Calls& calls) {
  constexpr size_t kGroup = 1024;  // operations
  Calls done;
  size_t ops = 0;
  for (std::shared_ptr<Call>& call : calls) {
    queued_.fetch_sub(call->ops.size(), std::memory_order_relaxed);
    if (call->abandoned.load(std::memory_order_relaxed)) continue;
    call->answers.reserve(call->ops.size());
    for (const KvOp& op : call->ops) call->answers.push_back(table_.run(call->space, op));
    ops += call->ops.size();
    done.push_back(std::move(call));
    if (ops < kGroup) continue;
    answer(done);
    ops = 0;
    if (auto due = table_.commit_at(); due && *due <= std::chrono::steady_clock::now()) keep_house();
  }
  answer(done);
}

void KvStore::answer(Calls& done) {
  std::stable_sort(done.begin(), done.end(), [](const auto& a, const auto& b) { return std::less<>()(&a->loop, &b->loop); });
  for (auto from = done.begin(); from != done.end();) {
    Loop& loop = (*from)->loop;
    auto to = std::find_if(from, done.end(), [&loop](const auto& call) { return &call->loop != &loop; });
    loop.post_call([calls = Calls(std::make_move_iterator(from), std::make_move_iterator(to))] {
      for (const auto& call : calls)
        if (call->answered) call->answered->set();
    });
    from = to;
  }
  done.clear();
}

void KvStore::keep_house() {
  auto now = std::chrono::steady_clock::now();
  if (auto due = table_.commit_at(); due && *due <= now) table_.commit();
  if (sweep_at_ <= now) {
    bool more = table_.sweep(options_.sweep_step);
    sweep_at_ = more ? now : now + options_.sweep_every;
  }
  commits_.store(table_.commits(), std::memory_order_relaxed);
}

}  // namespace veredus
