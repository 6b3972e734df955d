// Time is a sorted list of events; services, time-outs and answers are events. Equal moments keep their order unless the plan shuffles.
#include "bench.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

namespace veredus::ptest {

namespace {

constexpr int kMostEvents = 200'000;                       // of one moment: more is an endless loop
constexpr auto kPatience = std::chrono::milliseconds(1000);  // for threads of the plugin's own, in real time
constexpr int64_t kLongestWait = 3'600'000 * 2;

std::recursive_mutex& token_mutex() {
  static std::recursive_mutex the;
  return the;
}

std::deque<Token>& tokens() {
  static std::deque<Token> the;
  return the;
}

constexpr vrd_pending kTokenBase = 0x100000000u;

bool has_own_threads() {
  std::error_code error;
  auto begin = std::filesystem::directory_iterator("/proc/self/task", error);
  return !error && std::distance(begin, {}) > 1;
}

const std::vector<vrd_status>& errors_of(Service service) {
  static const std::map<Service, std::vector<vrd_status>> kErrors{
      {Service::dns, {VRD_E_TIMEOUT, VRD_E_TEMPORARY}},
      {Service::http, {VRD_E_TIMEOUT, VRD_E_IO, VRD_E_MEMORY}},
      {Service::stream, {VRD_E_TIMEOUT, VRD_E_IO}},
      {Service::table, {VRD_E_TEMPORARY, VRD_E_TIMEOUT, VRD_E_FAULT}},
      {Service::kv, {VRD_E_TIMEOUT, VRD_E_IO, VRD_E_TEMPORARY}},
      {Service::helper, {VRD_E_TIMEOUT, VRD_E_CLOSED}},
      {Service::call, {VRD_E_NOT_FOUND, VRD_E_TIMEOUT, VRD_E_FAULT}},
      {Service::queue, {VRD_E_TEMPORARY}},
      {Service::work, {VRD_E_CANCELLED}},
      {Service::timer, {}}};
  return kErrors.at(service);
}

}  // namespace

std::string_view service_text(Service service) {
  constexpr std::string_view kNames[] = {"dns", "http", "stream", "table", "kv", "helper", "call", "queue", "work", "timer"};
  return kNames[static_cast<size_t>(service)];
}

Bench::Bench(const Plan& given, YAML::Node fakes, int64_t wall_start, std::string where)
    : plan(given), chance(given.seed), directory(std::move(where)), kv([this] { return now_; }), wall_start_(wall_start), fakes_(std::move(fakes)) {}

uint64_t Bench::at(int64_t when, std::function<void()> run, bool is_timeout) {
  std::lock_guard lock(mutex_);
  uint64_t number = ++numbers_;
  Key key{std::max(when, now_), plan.shuffle ? chance.below(1000) : 0, number};
  events_.emplace(key, Event{std::move(run), is_timeout});
  by_number_[number] = key;
  return number;
}

void Bench::drop(uint64_t event) {
  std::lock_guard lock(mutex_);
  auto found = by_number_.find(event);
  if (found == by_number_.end()) return;
  events_.erase(found->second);
  by_number_.erase(found);
}

bool Bench::only_timeouts_left() {
  std::lock_guard lock(mutex_);
  return std::all_of(events_.begin(), events_.end(), [](const auto& entry) { return entry.second.is_timeout; });
}

// The next event up to `until`. `patient`: before time jumps to a time-out, threads of the plugin's own get a moment to answer.
bool Bench::run_one(int64_t until, bool patient) {
  if (patient && only_timeouts_left() && has_own_threads()) {
    auto limit = std::chrono::steady_clock::now() + kPatience;
    while (only_timeouts_left() && std::chrono::steady_clock::now() < limit) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::function<void()> run;
  {
    std::lock_guard lock(mutex_);
    if (events_.empty() || std::get<0>(events_.begin()->first) > until) return false;
    auto first = events_.begin();
    now_ = std::max(now_, std::get<0>(first->first));
    run = std::move(first->second.run);
    by_number_.erase(std::get<2>(first->first));
    events_.erase(first);
  }
  run();
  return true;
}

void Bench::run_due() {
  for (int i = 0; run_one(now_, false); ++i)
    if (i == kMostEvents) return watch().breach("endless", "events without end at one moment");
}

void Bench::run_for(int64_t ms) {
  int64_t until = now_ + ms;
  for (int i = 0; run_one(until, false); ++i)
    if (i == kMostEvents) return watch().breach("endless", "events without end");
  now_ = until;
}

bool Bench::run_until(const std::function<bool()>& done) {
  int64_t until = now_ + kLongestWait;
  for (int i = 0; !done(); ++i) {
    if (i == kMostEvents) watch().breach("endless", "events without end");
    if (i == kMostEvents || !run_one(until, true)) return done();
  }
  return true;
}

// Streams end when the plugin closes them, timers when the shard stops; everything else has a time-out.
void Bench::drain() {
  if (plan.stop_at_once) return run_due();
  run_until([this] {
    return std::all_of(requests_.begin(), requests_.end(), [](const auto& entry) {
      return entry.second.service == Service::timer || (entry.second.service == Service::stream && entry.second.event == 0);
    });
  });
  run_due();
}

void Bench::run_into(const std::function<bool()>& done) {
  constexpr int kMostTries = 50;
  for (int i = 0; i < kMostTries && !done(); ++i)
    if (!run_one(now_ + kLongestWait, false)) return;
}

// A plugin that asks again and again would never end.
bool Bench::refuses(Instance& instance) {
  constexpr int kMostRefused = 1000;
  if (!instance.stopping) return false;
  if (++instance.refused > kMostRefused) {
    watch().breach("asks for ever", "the plugin asks again from a callback although its shard ends: look at the status there first");
    watch().give_up();
  }
  return true;
}

vrd_status Bench::chosen_status(const Request& request) {
  const auto& errors = errors_of(request.service);
  if (plan.fail_all != 0 && std::find(errors.begin(), errors.end(), plan.fail_all) != errors.end()) return plan.fail_all;
  if (plan.fail_some && !errors.empty() && chance.one_in(3)) return errors[chance.below(errors.size())];
  auto found = failing.find(std::string(service_text(request.service)));
  return found == failing.end() ? request.status : found->second;
}

int64_t Bench::chosen_delay(const Request& request) {
  if (request.service == Service::timer) return request.delay_ms;
  return request.delay_ms + plan.delay_ms + static_cast<int64_t>(plan.shuffle ? chance.below(51) : 0);
}

vrd_status Bench::ask(Instance& instance, Request request, vrd_op* op) {
  if (op) *op = 0;
  note(request.what);
  if (refuses(instance)) return VRD_E_STATE;
  if (plan.busy) return VRD_E_BUSY;
  vrd_status status = chosen_status(request);
  if (status == VRD_E_BUSY) return VRD_E_BUSY;
  int64_t delay = chosen_delay(request);
  bool late = request.timeout_ms != 0 && (status == VRD_E_TIMEOUT || delay > static_cast<int64_t>(request.timeout_ms));
  if (late) status = VRD_E_TIMEOUT;
  if (late) delay = static_cast<int64_t>(request.timeout_ms);
  vrd_op number = new_op();
  std::string what = "the answer to " + request.what;
  track(number, instance, request.service, request.what, 0);
  set_event(number, at(now_ + delay, [this, number, what, status, before = std::move(request.before), deliver = std::move(request.deliver)] {
              forget(number);
              if (before) before(status);
              LoopTime time(what);
              guarded(Role::loop, what, [&] { deliver(status); });
            }));
  if (op) *op = number;
  return VRD_OK;
}

void Bench::track(vrd_op op, Instance& instance, Service service, std::string what, uint64_t event) {
  requests_[op] = UnderWay{&instance, service, std::move(what), event};
}

bool Bench::forget(vrd_op op) {
  auto found = requests_.find(op);
  if (found == requests_.end()) return false;
  drop(found->second.event);
  requests_.erase(found);
  return true;
}

void Bench::end_timers(Instance& instance) {
  std::erase_if(requests_, [&](auto& entry) {
    bool ends = entry.second.instance == &instance && entry.second.service == Service::timer;
    if (ends) drop(entry.second.event);
    return ends;
  });
}

void Bench::shard_stopped(Instance& instance) {
  std::erase_if(requests_, [&](auto& entry) {
    if (entry.second.instance != &instance) return false;
    bool open = entry.second.service == Service::stream && !plan.stop_at_once;
    if (open) watch().warn(entry.second.what + " was still open when its shard ended; the host closed it");
    drop(entry.second.event);
    return true;
  });
}

vrd_pending Bench::open_token(Token token, int64_t timeout_ms) {
  if (plan.cut_ms > 0) timeout_ms = std::min(timeout_ms, plan.cut_ms);
  token.bench = this;
  vrd_pending number = 0;
  {
    std::lock_guard lock(token_mutex());
    tokens().push_back(std::move(token));
    number = kTokenBase + tokens().size();
  }
  at(now_ + timeout_ms, [number] { end_token(number, TokenState::timed_out, nullptr); }, true);
  return number;
}

void Bench::abort_token(vrd_pending token) { end_token(token, TokenState::aborted, nullptr); }

void Bench::check_tokens() {
  if (plan.stop_at_once) return;
  std::lock_guard lock(token_mutex());
  for (const Token& token : tokens())
    if (token.bench == this && !token.tried && token.state != TokenState::aborted)
      watch().breach("token", "a token of " + token.what + " was never answered");
}

const YAML::Node& Bench::fake(const char* service) {
  auto found = fake_cache_.find(service);
  if (found == fake_cache_.end()) {
    YAML::Node node = fakes_.IsMap() && fakes_[service] ? fakes_[service] : YAML::Node();
    found = fake_cache_.emplace(service, node).first;
  }
  return found->second;
}

void Bench::note(std::string what) {
  std::lock_guard lock(mutex_);
  asked.push_back(std::move(what));
}

void Bench::log(Logged logged) {
  std::lock_guard lock(mutex_);
  logs.push_back(std::move(logged));
}

void Bench::count(const std::string& metric, const std::string& label, int64_t amount) {
  std::lock_guard lock(mutex_);
  metrics[metric][label] += amount;
}

bool Bench::no_memory(Scarce what) {
  std::lock_guard lock(mutex_);
  return plan.none == what || (plan.some_memory && chance.one_in(2));
}

Token* find_token(vrd_pending token) {
  std::lock_guard lock(token_mutex());
  if (token <= kTokenBase || token > kTokenBase + tokens().size()) return nullptr;
  return &tokens()[token - kTokenBase - 1];
}

bool end_token(vrd_pending number, TokenState state, const std::function<void(Token&)>& fill) {
  std::lock_guard lock(token_mutex());
  Token* token = find_token(number);
  if (state == TokenState::answered) token->tried = true;
  if (token->state != TokenState::open) return false;
  token->state = state;
  if (fill) fill(*token);
  if (token->ended) token->bench->at(0, token->ended);  // now, on the loop
  return true;
}

vrd_status gate(const vrd_host* host, const char* function, Where where, Instance** out) {
  if (!host) {
    watch().breach("arguments", std::string(function) + " without its host");
    return VRD_E_INVALID;
  }
  auto* instance = static_cast<Instance*>(const_cast<vrd_host*>(host));
  *out = instance;
  std::string name = function;
  if (instance->destroyed) {
    watch().breach("destroyed", name + " of an instance that is destroyed");
    return VRD_E_STATE;
  }
  if (where == Where::loop && !on_loop(function)) return VRD_E_THREAD;
  if (where == Where::create && !(instance->creating && current_role() == Role::main)) {
    watch().breach("create only", name + " outside create()");
    return VRD_E_STATE;
  }
  return VRD_OK;
}

bool on_loop(const char* function) {
  if (current_role() == Role::loop) return true;
  watch().breach("thread", std::string(function) + " on a thread " + std::string(role_text(current_role())) + ", not loop");
  return false;
}

}  // namespace veredus::ptest
