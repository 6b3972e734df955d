// C++ wrapper: requests to host services that are under way. Each has one OpState on the heap, listed in the Keeper of the object that
// asked; what is still listed when that object ends is freed unanswered. Started, answered and cancelled on loop threads.
#ifndef VEREDUS_DETAIL_OP_HPP
#define VEREDUS_DETAIL_OP_HPP

#include <veredus/detail/core.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace vrd {

class Host;

namespace detail {

/** A thing that ends with its owner at the latest. */
class Kept {
 public:
  Kept() = default;
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  /** Frees it because its owner ends. */
  virtual void sweep() noexcept = 0;

 protected:
  ~Kept() = default;

 private:
  friend class Keeper;
  Kept* previous_ = nullptr;
  Kept* next_ = nullptr;
};

/** The list of them. A plugin of one class is called by several loops, hence the lock; it is held for a few instructions only. */
class Keeper {
 public:
  Keeper() = default;
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;
  ~Keeper() { sweep(); }

  void add(Kept& item) {
    const std::lock_guard hold(lock_);
    item.next_ = first_;
    if (first_ != nullptr) first_->previous_ = &item;
    first_ = &item;
  }
  void remove(Kept& item) {
    const std::lock_guard hold(lock_);
    if (item.previous_ != nullptr) item.previous_->next_ = item.next_;
    else if (first_ == &item) first_ = item.next_;
    if (item.next_ != nullptr) item.next_->previous_ = item.previous_;
    item.previous_ = item.next_ = nullptr;
  }
  /** Things that wait for the answer to a token, to be found when the host says that it is gone. */
  void await(vrd_pending token, Kept& item) {
    const std::lock_guard hold(lock_);
    waiting_[token] = &item;
  }
  Kept* take(vrd_pending token) {
    const std::lock_guard hold(lock_);
    const auto found = waiting_.find(token);
    if (found == waiting_.end()) return nullptr;
    Kept* item = found->second;
    waiting_.erase(found);
    return item;
  }
  void sweep() noexcept {
    while (Kept* item = first_) {
      remove(*item);
      item->sweep();
    }
  }

 private:
  std::mutex lock_;
  Kept* first_ = nullptr;
  std::unordered_map<vrd_pending, Kept*> waiting_;
};

/** What a request needs until its callback: counted by the host (until it has called) and by the handle that the plugin may hold. */
class OpBase : public Kept {
 public:
  using Cancel = void (*)(const vrd_host*, vrd_op);
  OpBase(const Interfaces& host, Keeper& keeper, Cancel cancel) : host_(host), keeper_(keeper), cancel_(cancel) { keeper_.add(*this); }

  vrd_op id = 0;
  /** Set by work: its end is told even after cancel, so the host keeps its share until then. */
  bool told_anyway = false;
  /** What must live as long as the host may call: the job of work. */
  std::shared_ptr<void> extra;

  const Interfaces& host() const { return host_; }
  bool done() const { return done_; }

  void cancel() noexcept {
    if (done_ || cancelled_) return;
    cancelled_ = true;
    drop_callback();
    cancel_(host_.raw, id);
    if (!told_anyway) finish();
  }
  /** The host, or a refusal at the start, has no more to tell. */
  void finish() noexcept {
    if (std::exchange(done_, true)) return;
    keeper_.remove(*this);
    release();
  }
  void retain() noexcept { shares_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (shares_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  void sweep() noexcept override {
    done_ = true;
    drop_callback();
    release();
  }

 protected:
  virtual ~OpBase() = default;
  virtual void drop_callback() noexcept = 0;
  bool cancelled_ = false;

 private:
  const Interfaces& host_;
  Keeper& keeper_;
  Cancel cancel_;
  std::atomic<int> shares_{1};
  bool done_ = false;
};

/** A request whose answer is an R. */
template <class R>
class OpState : public OpBase {
 public:
  using OpBase::OpBase;
  /** Gives the answer to the callback, stopping its exceptions. */
  void tell(R&& result) noexcept {
    if (!cancelled_) (void)guarded(host(), "callback", [&] { call(std::move(result)); });
  }
  /** The only answer: the request ends with it. */
  void answer(R&& result) noexcept {
    retain();  // the callback may drop its own handle, and with it this
    tell(std::move(result));
    drop_callback();
    finish();
    release();
  }
  static OpState* of(void* context) { return static_cast<OpState*>(context); }

 protected:
  virtual void call(R&& result) = 0;
};

template <class R, class F>
class Callback final : public OpState<R> {
 public:
  Callback(const Interfaces& host, Keeper& keeper, OpBase::Cancel cancel, F&& function)
      : OpState<R>(host, keeper, cancel), function_(std::move(function)) {}

 private:
  void call(R&& result) override { (*function_)(std::move(result)); }
  void drop_callback() noexcept override { function_.reset(); }
  std::optional<F> function_;
};

}  // namespace detail

/** A handle on a request. Dropping it changes nothing; cancel() means that the callback will not be called. Move-only. */
class Op {
 public:
  Op() = default;
  explicit Op(detail::OpBase& state) : state_(&state) { state.retain(); }
  Op(Op&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  Op& operator=(Op&& other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~Op() {
    if (state_ != nullptr) state_->release();
  }
  void cancel() noexcept {
    if (state_ != nullptr) state_->cancel();
  }
  bool done() const { return state_ == nullptr || state_->done(); }

 private:
  detail::OpBase* state_ = nullptr;
};

/** A request that is not sent yet: `then(callback)` sends it. The callback gets the result by value, exactly once, on this loop; at once
 *  when the host refuses the request. Derived has start(OpState<R>&) -> vrd_status and a static cancel. */
template <class Derived, class R>
class Request {
 public:
  using Result = R;
  Request(const Interfaces& host, detail::Keeper& keeper) : host_(&host), keeper_(&keeper) {}

  template <class F>
  Op then(F function) {
    auto& self = static_cast<Derived&>(*this);
    auto* state = new detail::Callback<R, F>(*host_, *keeper_, self.canceller(), std::move(function));
    Op handle(*state);
    const vrd_status status = self.start(*state);
    if (status < 0) state->answer(R(status));
    return handle;
  }

 protected:
  const Interfaces* host_;
  detail::Keeper* keeper_;
};

}  // namespace vrd
#endif
