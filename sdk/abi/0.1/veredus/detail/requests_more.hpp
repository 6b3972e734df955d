// C++ wrapper: timers, work on the pool, helpers, the queue, services of other plugins.
#ifndef VEREDUS_DETAIL_REQUESTS_MORE_HPP
#define VEREDUS_DETAIL_REQUESTS_MORE_HPP

#include <veredus/detail/requests.hpp>

namespace vrd {

/** One call later, or one every period until it is cancelled. */
class TimerRequest : public Request<TimerRequest, TimerResult> {
 public:
  TimerRequest(const Interfaces& host, detail::Keeper& keeper, milliseconds delay, milliseconds period)
      : Request(host, keeper), delay_(delay), period_(period) {}
  detail::OpBase::Cancel canceller() const { return Interfaces::need(host_->timer).cancel; }
  vrd_status start(detail::OpState<TimerResult>& state) const {
    const bool repeats = period_.count() > 0;
    return host_->timer->start(host_->raw, count(delay_), count(period_), &state, repeats ? again : once, &state.id);
  }

 private:
  static uint64_t count(milliseconds time) { return time.count() < 0 ? 0 : static_cast<uint64_t>(time.count()); }
  static void once(void* context) { detail::OpState<TimerResult>::of(context)->answer(TimerResult(VRD_OK)); }
  static void again(void* context) {
    auto* state = detail::OpState<TimerResult>::of(context);
    state->retain();  // the callback may cancel its own timer
    state->tell(TimerResult(VRD_OK));
    state->release();
  }
  milliseconds delay_, period_;
};

/** A blocking job: `job` runs on a worker thread, the callback gets its value on this loop, where the job is freed too. */
template <class F>
class WorkRequest : public Request<WorkRequest<F>, WorkResult<std::invoke_result_t<F&>>> {
  using T = std::invoke_result_t<F&>;
  using Base = Request<WorkRequest<F>, WorkResult<T>>;

 public:
  WorkRequest(const Interfaces& host, detail::Keeper& keeper, F job) : Base(host, keeper), job_(std::move(job)) {}
  detail::OpBase::Cancel canceller() const { return Interfaces::need(this->host_->work).cancel; }
  vrd_status start(detail::OpState<WorkResult<T>>& state) {
    state.extra = std::make_shared<Job>(std::move(job_));
    state.told_anyway = true;
    return this->host_->work->run(this->host_->raw, &state, run, done, &state.id);
  }

 private:
  struct Job {
    explicit Job(F&& with) : function(std::move(with)), result(VRD_OK) {}
    F function;
    WorkResult<T> result;
  };
  static Job& job_of(void* context) { return *static_cast<Job*>(detail::OpState<WorkResult<T>>::of(context)->extra.get()); }
  static void run(void* context) {
    Job& job = job_of(context);
    const vrd_status status = guarded(detail::OpState<WorkResult<T>>::of(context)->host(), "work", [&] {
      if constexpr (std::is_void_v<T>) job.function();
      else job.result.value.emplace(job.function());
    });
    job.result.status = status;
  }
  static void done(void* context, vrd_status status) {
    WorkResult<T> result = std::move(job_of(context).result);
    if (status < 0) result.status = status;
    detail::OpState<WorkResult<T>>::of(context)->answer(std::move(result));
  }
  F job_;
};

/** A helper that setup.helper() opened. */
struct Helper {
  uint32_t id = 0;
};

class HelperRequest : public Request<HelperRequest, HelperResult> {
 public:
  HelperRequest(const Interfaces& host, detail::Keeper& keeper, Helper helper, std::string octets, int32_t fd, milliseconds timeout)
      : Request(host, keeper), helper_(helper), octets_(std::move(octets)), fd_(fd), timeout_(timeout) {}
  detail::OpBase::Cancel canceller() const { return Interfaces::need(host_->helper).cancel; }
  vrd_status start(detail::OpState<HelperResult>& state) const {
    return host_->helper->call(host_->raw, helper_.id, str(octets_), fd_, wait_ms(timeout_), &state, answered, &state.id);
  }

 private:
  static void answered(void* context, vrd_status status, vrd_str octets, int32_t fd) {
    HelperResult out(status);
    out.octets = copy(octets);
    out.fd = fd;
    detail::OpState<HelperResult>::of(context)->answer(std::move(out));
  }
  Helper helper_;
  std::string octets_;
  int32_t fd_;
  milliseconds timeout_;
};

/** A message to inject. */
struct NewMessage {
  std::string sender;
  std::vector<std::string> recipients;
  std::string octets;
  std::string tenant = {}, stream = {};
};

/** Which messages of the queue; see vrd_queue_selector. */
struct Selector {
  uint32_t held = 0;
  std::vector<std::string> ids = {};
  std::string sender = {}, recipient = {}, domain = {}, destination = {}, tenant = {};
  milliseconds older_than{0}, younger_than{0};
};

/** One of the four things that core.queue does; made by Host. */
class QueueRequest : public Request<QueueRequest, QueueResult> {
 public:
  QueueRequest(const Interfaces& host, detail::Keeper& keeper, NewMessage message) : Request(host, keeper), kind_(kInject), message_(std::move(message)) {}
  QueueRequest(const Interfaces& host, detail::Keeper& keeper, Selector selector, uint32_t action, std::string reason)
      : Request(host, keeper), kind_(kAct), selector_(std::move(selector)), action_(action), reason_(std::move(reason)) {}
  QueueRequest(const Interfaces& host, detail::Keeper& keeper, bool suspend, std::string pattern, std::string reason)
      : Request(host, keeper), kind_(suspend ? kSuspend : kResume), pattern_(std::move(pattern)), reason_(std::move(reason)) {}
  detail::OpBase::Cancel canceller() const { return Interfaces::need(host_->queue).cancel; }
  vrd_status start(detail::OpState<QueueResult>& state) const {
    if (kind_ == kInject) return inject(state);
    if (kind_ == kAct) return act(state);
    if (kind_ == kSuspend) return host_->queue->suspend(host_->raw, str(pattern_), str(reason_), &state, answered, &state.id);
    return host_->queue->resume(host_->raw, str(pattern_), &state, answered, &state.id);
  }

 private:
  enum Kind { kInject, kAct, kSuspend, kResume };
  static std::vector<vrd_str> list(const std::vector<std::string>& from) {
    std::vector<vrd_str> out;
    for (const std::string& one : from) out.push_back(str(one));
    return out;
  }
  vrd_status inject(detail::OpState<QueueResult>& state) const {
    const std::vector<vrd_str> recipients = list(message_.recipients);
    const vrd_queue_message raw{VRD_SIZED(vrd_queue_message), 0, str(message_.sender), recipients.data(), recipients.size(),
                                str(message_.octets), str(message_.tenant), str(message_.stream)};
    return host_->queue->inject(host_->raw, &raw, &state, answered, &state.id);
  }
  vrd_status act(detail::OpState<QueueResult>& state) const {
    const std::vector<vrd_str> ids = list(selector_.ids);
    const vrd_queue_selector raw{VRD_SIZED(vrd_queue_selector), selector_.held, ids.data(), ids.size(), str(selector_.sender),
                                 str(selector_.recipient), str(selector_.domain), str(selector_.destination), str(selector_.tenant),
                                 static_cast<uint64_t>(selector_.older_than.count()), static_cast<uint64_t>(selector_.younger_than.count())};
    return host_->queue->act(host_->raw, &raw, action_, str(reason_), &state, answered, &state.id);
  }
  static void answered(void* context, vrd_status status, vrd_str id, uint64_t touched) {
    QueueResult out(status);
    out.id = copy(id);
    out.touched = touched;
    detail::OpState<QueueResult>::of(context)->answer(std::move(out));
  }
  Kind kind_;
  NewMessage message_ = {};
  Selector selector_ = {};
  uint32_t action_ = 0;
  std::string pattern_, reason_;
};

/** Asks the svc.call/1 of another plugin. */
class CallRequest : public Request<CallRequest, CallResult> {
 public:
  CallRequest(const Interfaces& host, detail::Keeper& keeper, std::string provider, std::string method, std::string request, milliseconds timeout)
      : Request(host, keeper), provider_(std::move(provider)), method_(std::move(method)), request_(std::move(request)), timeout_(timeout) {}
  detail::OpBase::Cancel canceller() const { return Interfaces::need(host_->service).cancel; }
  vrd_status start(detail::OpState<CallResult>& state) const {
    return host_->service->call(host_->raw, str(provider_), str(method_), str(request_), wait_ms(timeout_), &state, answered, &state.id);
  }

 private:
  static void answered(void* context, vrd_status status, vrd_str octets) {
    CallResult out(status);
    out.octets = copy(octets);
    detail::OpState<CallResult>::of(context)->answer(std::move(out));
  }
  std::string provider_, method_, request_;
  milliseconds timeout_;
};

}  // namespace vrd
#endif
