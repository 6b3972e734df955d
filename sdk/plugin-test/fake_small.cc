// Interfaces without an outside: log, metric, clock, timer, work, control; the registry of all; and what fakes share.
#include <algorithm>
#include <map>
#include <thread>

#include "base/units.h"
#include "fakes.h"
#include "picture.h"
#include "stage.h"

namespace veredus::ptest {

namespace {

bool is_word(std::string_view text, size_t longest) {
  auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  return !text.empty() && text.size() <= longest && std::all_of(text.begin(), text.end(), good);
}

int32_t log_wants(const vrd_host* host, uint32_t) {
  Instance* instance = nullptr;
  return gate(host, "core.log wants", Where::any, &instance) == VRD_OK ? 1 : 0;
}

void log_write(const vrd_host* host, uint32_t level, vrd_str event, const vrd_view* view, const vrd_pair* values, size_t count) {
  Instance* instance = nullptr;
  if (gate(host, "core.log write", Where::any, &instance) != VRD_OK) return;
  if (view && !usable_view(view, "core.log write")) return;
  Logged logged;
  logged.level = level;
  logged.event = string_of(event);
  bool good = level <= VRD_LOG_ERROR && is_word(logged.event, 48) && count <= 16 && (values || count == 0);
  for (size_t i = 0; values && i < count; ++i) {
    good = good && is_word(view_of(values[i].name), 48);
    logged.values[string_of(values[i].name)] = string_of(values[i].value).substr(0, 1024);
  }
  if (!good) watch().breach("arguments", "core.log write of '" + logged.event + "': level, names or number of values out of bounds");
  instance->bench->log(std::move(logged));
}

bool good_metric(const vrd_metric_def* def) {
  if (!def || def->size < sizeof(vrd_metric_def) || def->kind > VRD_METRIC_GAUGE || !def->name || !def->doc || !is_word(def->name, 48)) return false;
  bool total = std::string_view(def->name).ends_with("_total");
  return (def->kind != VRD_METRIC_COUNTER || total) && (def->label == nullptr) == (def->label_values == nullptr);
}

vrd_status metric_define(const vrd_host* host, const vrd_metric_def* def, uint32_t* metric) {
  Instance* instance = nullptr;
  vrd_status status = gate(host, "core.metric define", Where::create, &instance);
  if (status != VRD_OK) return status;
  if (!good_metric(def) || !metric) return VRD_E_INVALID;
  MetricInfo info{def->name, def->kind, {}};
  for (auto value = def->label_values; value && *value; ++value) info.labels.push_back(*value);
  if (info.labels.size() > 32) return VRD_E_INVALID;
  if (instance->metrics.size() >= 64) return VRD_E_MEMORY;
  *metric = static_cast<uint32_t>(instance->metrics.size());
  if (info.labels.empty()) instance->bench->count(info.name, "", 0);
  for (const std::string& label : info.labels) instance->bench->count(info.name, label, 0);
  instance->metrics.push_back(std::move(info));
  return VRD_OK;
}

void metric_add(const vrd_host* host, uint32_t metric, uint32_t label, int64_t amount) {
  Instance* instance = nullptr;
  if (gate(host, "core.metric add", Where::any, &instance) != VRD_OK) return;
  bool known = metric < instance->metrics.size();
  const MetricInfo* info = known ? &instance->metrics[metric] : nullptr;
  bool good = info && (info->labels.empty() ? label == 0 : label < info->labels.size()) && (info->kind == VRD_METRIC_GAUGE || amount >= 0);
  if (!good) return watch().breach("arguments", "core.metric add to a metric or label that was not defined, or a counter that goes down");
  instance->bench->count(info->name, info->labels.empty() ? "" : info->labels[label], amount);
}

int64_t wall_ms(const vrd_host* host) {
  Instance* instance = nullptr;
  return gate(host, "core.clock wall_ms", Where::any, &instance) == VRD_OK ? instance->bench->wall() : 0;
}

int64_t mono_ms(const vrd_host* host) {
  Instance* instance = nullptr;
  return gate(host, "core.clock mono_ms", Where::any, &instance) == VRD_OK ? 1'000'000 + instance->bench->now() : 0;
}

void run_timer(Bench* bench, vrd_op op, uint64_t period, void* ctx, vrd_timer_fn fn) {
  if (!bench->is_open(op)) return;
  if (period == 0) bench->forget(op);
  else bench->set_event(op, bench->at(bench->now() + static_cast<int64_t>(period), [=] { run_timer(bench, op, period, ctx, fn); }));
  LoopTime time("a timer");
  guarded(Role::loop, "a timer", [&] { fn(ctx); });
}

vrd_status timer_start(const vrd_host* host, uint64_t delay, uint64_t period, void* ctx, vrd_timer_fn fn, vrd_op* timer) {
  Instance* instance = nullptr;
  vrd_status status = gate(host, "core.timer start", Where::loop, &instance);
  if (status != VRD_OK) return status;
  if (!fn || (period != 0 && period < 10) || delay > INT64_MAX / 4) return VRD_E_INVALID;
  Bench* bench = instance->bench;
  if (bench->refuses(*instance)) return VRD_E_STATE;
  vrd_op op = bench->new_op();
  bench->track(op, *instance, Service::timer, "a timer", 0);
  bench->set_event(op, bench->at(bench->now() + static_cast<int64_t>(delay), [=] { run_timer(bench, op, period, ctx, fn); }));
  if (timer) *timer = op;
  return VRD_OK;
}

void timer_cancel(const vrd_host* host, vrd_op timer) { cancel_request(host, timer, "core.timer cancel"); }

// A job runs on a thread of its own, which is waited for: one thing at a time, always in the same order.
void run_job(void* ctx, vrd_work_fn work) {
  std::thread thread([=] { guarded(Role::worker, "a job", [&] { work(ctx); }); });
  thread.join();
}

struct Job {
  Instance* instance;
  void* ctx;
  vrd_work_done_fn done;
};

std::map<vrd_op, Job>& jobs() {
  static std::map<vrd_op, Job> the;
  return the;
}

vrd_status work_run(const vrd_host* host, void* ctx, vrd_work_fn work, vrd_work_done_fn done, vrd_op* job) {
  Instance* instance = nullptr;
  vrd_status status = gate(host, "core.work run", Where::loop, &instance);
  if (status != VRD_OK) return status;
  if (!work || !done) return VRD_E_INVALID;
  auto number = std::make_shared<vrd_op>(0);
  Request request;
  request.service = Service::work;
  request.what = "work";
  request.before = [=](vrd_status given) {
    jobs().erase(*number);
    if (given == VRD_OK) run_job(ctx, work);
  };
  request.deliver = [=](vrd_status given) { done(ctx, given); };
  status = instance->bench->ask(*instance, std::move(request), number.get());
  if (status == VRD_OK) jobs()[*number] = Job{instance, ctx, done};
  if (job) *job = *number;
  return status;
}

void work_cancel(const vrd_host* host, vrd_op op) {
  Instance* instance = nullptr;
  if (gate(host, "core.work cancel", Where::loop, &instance) != VRD_OK || !instance->bench->forget(op)) return;
  Job job = jobs()[op];
  jobs().erase(op);
  instance->bench->at(0, [job] { guarded(Role::loop, "the end of a job", [&] { job.done(job.ctx, VRD_E_CANCELLED); }); });
}

vrd_status command_write(vrd_pending number, vrd_str octets, bool error) {
  Token* token = find_token(number);
  if (!token || token->kind != TokenKind::command) return VRD_E_INVALID;
  if (token->state != TokenState::open) return VRD_E_LATE;
  (error ? token->error_output : token->output).append(view_of(octets));
  return VRD_OK;
}

vrd_status control_write(vrd_pending command, vrd_str octets) { return command_write(command, octets, false); }
vrd_status control_error(vrd_pending command, vrd_str octets) { return command_write(command, octets, true); }

vrd_status control_finish(vrd_pending command, int32_t exit_code) {
  Token* token = find_token(command);
  if (!token || token->kind != TokenKind::command) return VRD_E_INVALID;
  if (exit_code < 0 || exit_code > 125) watch().breach("arguments", "core.control finish with exit code " + std::to_string(exit_code));
  return end_token(command, TokenState::answered, [&](Token& mine) { mine.status = exit_code; }) ? VRD_OK : VRD_E_LATE;
}

const std::map<std::string, const void*>& registry() {
  static const std::map<std::string, const void*> kAll{
      {VRD_CORE_LOG_1, log_table()},         {VRD_CORE_METRIC_1, metric_table()},   {VRD_CORE_CLOCK_1, clock_table()},
      {VRD_CORE_TIMER_1, timer_table()},     {VRD_CORE_WORK_1, work_table()},       {VRD_CORE_CONTROL_1, control_table()},
      {VRD_CORE_DNS_1, dns_table()},         {VRD_CORE_HTTP_1, http_table()},       {VRD_CORE_STREAM_1, stream_table()},
      {VRD_CORE_HELPER_1, helper_table()},   {VRD_CORE_KV_1, kv_table()},           {VRD_CORE_TABLE_1, table_table()},
      {VRD_CORE_SERVICE_1, service_table()}, {VRD_CORE_QUEUE_1, queue_table()},     {VRD_CORE_HOOK_1, hook_table()},
      {VRD_CORE_BODY_1, body_table()},       {VRD_CORE_MESSAGE_1, message_table()}, {VRD_CORE_EDIT_1, edit_table()},
      {VRD_CORE_AUTHRES_1, authres_table()}, {VRD_CORE_CONF_1, conf_table()}};
  return kAll;
}

}  // namespace

void cancel_jobs(Instance& instance) {
  auto all = jobs();
  for (const auto& [op, job] : all) {
    if (job.instance != &instance || !instance.bench->forget(op)) continue;
    jobs().erase(op);
    guarded(Role::loop, "the end of a job", [&] { job.done(job.ctx, VRD_E_CANCELLED); });
  }
}

bool has_jobs(Instance& instance) {
  return std::any_of(jobs().begin(), jobs().end(), [&](const auto& entry) { return entry.second.instance == &instance; });
}

const void* iface(const vrd_host* host, const char* id) {
  Instance* instance = nullptr;
  if (gate(host, "iface", Where::any, &instance) != VRD_OK || !id) return nullptr;
  auto found = registry().find(id);
  if (found == registry().end()) return nullptr;
  instance->bench->ifaces.insert(id);
  return instance->bench->plan.no_iface == id ? nullptr : found->second;
}

int64_t delay_of(const YAML::Node& fake) { return duration_of(text_of(fake, "delay", "0s")).value_or(0); }

vrd_status status_of(const YAML::Node& fake, vrd_status otherwise) {
  vrd_status status = otherwise;
  std::string text = text_of(fake, "status");
  if (!text.empty()) status_by_text(text, &status);
  return status;
}

std::string text_of(const YAML::Node& map, const char* key, const std::string& otherwise) {
  if (!map.IsMap()) return otherwise;
  YAML::Node found = map[key];
  return found && found.IsScalar() ? found.Scalar() : otherwise;
}

std::optional<int64_t> duration_of(const std::string& text) {
  auto value = parse_duration(text);
  return value ? std::optional<int64_t>(value->count()) : std::nullopt;
}

void cancel_request(const vrd_host* host, vrd_op op, const char* function) {
  Instance* instance = nullptr;
  if (gate(host, function, Where::loop, &instance) == VRD_OK) instance->bench->forget(op);
}

bool good_timeout(uint64_t timeout_ms, uint64_t most) { return timeout_ms >= 1 && timeout_ms <= most; }

const vrd_core_log_1* log_table() {
  static const vrd_core_log_1 kTable{sizeof(vrd_core_log_1), 0, log_wants, log_write};
  return &kTable;
}
const vrd_core_metric_1* metric_table() {
  static const vrd_core_metric_1 kTable{sizeof(vrd_core_metric_1), 0, metric_define, metric_add};
  return &kTable;
}
const vrd_core_clock_1* clock_table() {
  static const vrd_core_clock_1 kTable{sizeof(vrd_core_clock_1), 0, wall_ms, mono_ms};
  return &kTable;
}
const vrd_core_timer_1* timer_table() {
  static const vrd_core_timer_1 kTable{sizeof(vrd_core_timer_1), 0, timer_start, timer_cancel};
  return &kTable;
}
const vrd_core_work_1* work_table() {
  static const vrd_core_work_1 kTable{sizeof(vrd_core_work_1), 0, work_run, work_cancel};
  return &kTable;
}
const vrd_core_control_1* control_table() {
  static const vrd_core_control_1 kTable{sizeof(vrd_core_control_1), 0, control_write, control_error, control_finish};
  return &kTable;
}

}  // namespace veredus::ptest
