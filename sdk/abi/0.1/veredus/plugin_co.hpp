// Coroutines on top of plugin.hpp: hooks that wait for the host's services with co_await.
//
//   vrd::Task<vrd::Verdict> on_mail(vrd::CoCall call) const {
//     vrd::DnsResult found = co_await host.dns(std::string(call.text(VRD_ATTR_SENDER_DOMAIN)), VRD_DNS_MX, 5s);
//     if (found.nxdomain) co_return vrd::reject("5.1.8", "the sender's domain does not exist");
//     co_return vrd::next();
//   }
//   ... vrd::co_hook<&Guard::on_mail, 30'000>(VRD_STAGE_MAIL)     // the answer comes within 30,000 ms, or the fault policy decides
//
// The token is taken at the first real wait only. When the session goes away, or the shard ends, the coroutine is destroyed where it
// waits, and its requests are cancelled. All of it runs on one loop. Rules: named functions, never lambdas that capture; parameters by
// value; co_await stands in no conditional expression and no braced initialiser; every request states its time-out.
#ifndef VEREDUS_PLUGIN_CO_HPP
#define VEREDUS_PLUGIN_CO_HPP

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#error "veredus/plugin_co.hpp: g++ before 13 destroys temporaries of coroutine expressions twice. Use clang, g++ 13 or later, or callbacks (veredus/plugin.hpp)."
#endif

#include <veredus/plugin.hpp>

#include <concepts>
#include <coroutine>

namespace vrd {

template <class T>
class Task;

namespace detail {

/** Who is told when a coroutine has ended; it may destroy the coroutine. No symmetric transfer: it overflows the stack without tail calls. */
struct Listener {
  void (*notify)(void*) = nullptr;
  void* context = nullptr;
};

struct PromiseBase {
  Listener listener;
  std::exception_ptr thrown;

  struct Final {
    bool await_ready() noexcept { return false; }
    template <class P>
    void await_suspend(std::coroutine_handle<P> self) noexcept {
      const Listener listener = self.promise().listener;
      if (listener.notify != nullptr) listener.notify(listener.context);
    }
    void await_resume() noexcept {}
  };
  std::suspend_always initial_suspend() noexcept { return {}; }
  Final final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { thrown = std::current_exception(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& with) {
    value.emplace(std::forward<U>(with));
  }
  T take() {
    if (thrown) std::rethrow_exception(thrown);
    return std::move(*value);
  }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() noexcept {}
  void take() {
    if (thrown) std::rethrow_exception(thrown);
  }
};

}  // namespace detail

/** A coroutine that begins when it is awaited. Destroying it destroys its frame where it waits. Move-only. */
template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> caller) {
    return !start({[](void* frame) { std::coroutine_handle<>::from_address(frame).resume(); }, caller.address()});
  }
  T await_resume() { return handle_.promise().take(); }

  /** Runs until the first wait; true when it has ended then. Else the listener is told of the end. */
  bool start(detail::Listener listener) {
    handle_.resume();
    if (handle_.done()) return true;
    handle_.promise().listener = listener;
    return false;
  }
  T take() { return handle_.promise().take(); }

 private:
  Handle handle_;
};

template <class T>
Task<T> detail::Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> detail::Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

namespace detail {

/** Waits for a request. When its coroutine is destroyed meanwhile, the request is cancelled. */
template <class D>
class Awaiter {
 public:
  using R = typename D::Result;
  explicit Awaiter(D&& request) : request_(std::move(request)) {}
  Awaiter(const Awaiter&) = delete;
  Awaiter& operator=(const Awaiter&) = delete;
  ~Awaiter() {
    if (!result_.has_value()) op_.cancel();
  }

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> caller) {
    op_ = request_.then([this, caller](R result) {
      result_.emplace(std::move(result));
      if (waiting_) caller.resume();
    });
    waiting_ = !result_.has_value();
    return waiting_;
  }
  R await_resume() { return std::move(*result_); }

 private:
  D request_;
  std::optional<R> result_;
  Op op_;
  bool waiting_ = false;
};

template <class D>
concept IsRequest = std::derived_from<D, Request<D, typename D::Result>>;

/** What a coroutine of a hook works on, until it has ended. */
class CoState : public Kept {
 public:
  CoState(const Host& with, const View& shown) : host(with), view(shown.keep()) { host.keeper().add(*this); }
  virtual ~CoState() {
    host.keeper().remove(*this);
    if (pending) (void)host.keeper().take(pending.token());
  }
  void sweep() noexcept override { delete this; }

  const Host& host;
  KeptView view;
  OwnEdits edits;
  Pending pending;
};

}  // namespace detail

/** `co_await host.dns(...)`, and every other request. */
template <detail::IsRequest D>
detail::Awaiter<D> operator co_await(D&& request) {
  return detail::Awaiter<D>(std::move(request));
}
template <detail::IsRequest D>
detail::Awaiter<D> operator co_await(D& request) {
  return detail::Awaiter<D>(std::move(request));
}

/** The call of a hook that is a coroutine: a View that stays readable, and a list of edits that goes with the answer. By value. */
class CoCall : public View {
 public:
  explicit CoCall(detail::CoState& state) : View(state.view), host(state.host), state_(&state) {}
  const Host& host;
  Edits& edits() {
    if (!state_->edits) state_->edits = OwnEdits(host.interfaces());
    return state_->edits;
  }

 private:
  detail::CoState* state_;
};

namespace detail {

template <class T>
class CoRoot final : public CoState {
 public:
  using CoState::CoState;
  std::optional<Task<T>> task;

  static void ended(void* context) {
    auto* root = static_cast<CoRoot*>(context);
    Verdict verdict = fault();
    (void)guarded(root->host.interfaces(), "coroutine", [&] {
      verdict = root->result();
      if (root->pending) root->give(verdict);
    });
    delete root;  // answers "fault" if nothing was answered
  }
  Verdict result() {
    if constexpr (std::is_void_v<T>) return task->take(), next();
    else return task->take();
  }
  void give(const Verdict& verdict) {
    (void)host.keeper().take(pending.token());
    pending.answer(verdict, std::move(edits));
  }
};

template <class M>
struct CoResult;
template <class T>
struct CoResult<Task<T>> {
  using type = T;
};

template <auto F, uint32_t TimeoutMs>
vrd_status call_co_hook(void* shard, vrd_stage* stage, vrd_verdict* out) noexcept {
  using M = Method<decltype(F)>;
  using T = typename CoResult<typename M::R>::type;
  auto& cell = *static_cast<Cell<typename M::C>*>(shard);
  return guarded(cell.host.interfaces(), "hook", [&] {
    Call call(cell.host, stage);
    auto root = std::make_unique<CoRoot<T>>(cell.host, call);
    root->task.emplace((cell.object.*F)(CoCall(*root)));
    const bool done = root->task->start({&CoRoot<T>::ended, root.get()});
    const Verdict now = done ? root->result() : later();
    if (done && !root->edits) {
      if (now.has_words()) now.put_words(call.edits());
      *out = now.raw();
      return;
    }
    if constexpr (!std::is_void_v<T>) {
      root->pending = call.defer(milliseconds(TimeoutMs));
      if (done) root->give(now);
      else cell.host.keeper().await(root->pending.token(), *root);
      *out = later().raw();
    }
    if (!done) (void)root.release();  // ends by itself, with its session or with its shard
  });
}

template <class C>
void cancel_co_hook(void* shard, vrd_pending token) noexcept {
  Kept* root = static_cast<Cell<C>*>(shard)->host.keeper().take(token);
  if (root != nullptr) root->sweep();
}

}  // namespace detail

/** Registers `Task<Verdict> C::method(CoCall)`, or `Task<void>` at told stages. TimeoutMs is for the whole answer. */
template <auto F, uint32_t TimeoutMs>
constexpr Hook co_hook(uint32_t stage, HookOptions with = {}) {
  using M = detail::Method<decltype(F)>;
  return {{VRD_SIZED(vrd_hook), stage, with.order, with.needs, with.may, with.on_fault, with.flags, 0, &detail::call_co_hook<F, TimeoutMs>,
           &detail::cancel_co_hook<typename M::C>},
          &detail::kTag<typename M::C>, M::is_const};
}

}  // namespace vrd
#endif
