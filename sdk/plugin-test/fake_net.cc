// core.http/1, core.stream/1 and core.helper/1 from the script: `http: { "GET http://a.test/x": { code: 200, body: yes, delay: 1s } }`,
// `streams: { "tcp://a.test:25": { greeting: "220 a\r\n", replies: { "QUIT\r\n": "221 bye\r\n" }, close: true } }`,
// `helpers: { name: { "request": "answer" } }`.
#include <algorithm>
#include <map>

#include "base/text.h"
#include "fakes.h"

namespace veredus::ptest {

namespace {

// The fake whose key is the text, or ends with * and begins it; without: null.
YAML::Node fake_for(const YAML::Node& fakes, const std::string& text) {
  if (!fakes.IsMap()) return YAML::Node();
  YAML::Node by_prefix;
  for (const auto& entry : fakes) {
    std::string key = entry.first.Scalar();
    if (key == text) return entry.second;
    if (!key.empty() && key.back() == '*' && text.starts_with(key.substr(0, key.size() - 1)) && by_prefix.IsNull()) by_prefix.reset(entry.second);
  }
  return by_prefix;
}

struct HttpFake {
  vrd_status status = VRD_OK;
  int64_t delay = 0;
  uint32_t code = 200;
  std::string body, error;
  std::vector<std::pair<std::string, std::string>> headers;
};

HttpFake read_http(const YAML::Node& node) {
  HttpFake out;
  if (!node.IsDefined() || node.IsNull()) {
    out.status = VRD_E_IO;
    out.error = "the script has no such answer";
    return out;
  }
  if (node.IsScalar()) {
    if (!status_by_text(node.Scalar(), &out.status)) out.body = node.Scalar();
    return out;
  }
  out.status = status_of(node);
  out.delay = delay_of(node);
  out.code = static_cast<uint32_t>(parse_uint(text_of(node, "code", "200")).value_or(200));
  out.body = text_of(node, "body");
  if (node["headers"] && node["headers"].IsMap())
    for (const auto& entry : node["headers"]) out.headers.emplace_back(lowered(entry.first.Scalar()), entry.second.Scalar());
  return out;
}

void answer_http(const HttpFake& fake, uint64_t most, void* ctx, vrd_http_fn fn, vrd_status status) {
  std::string error = fake.error.empty() ? std::string(status_text(status)) : fake.error;
  if (status == VRD_OK && fake.body.size() > most) status = VRD_E_MEMORY;
  if (status != VRD_OK) return fn(ctx, status, nullptr, str_of(error));
  std::vector<vrd_pair> headers;
  for (const auto& [name, value] : fake.headers) headers.push_back({str_of(name), str_of(value)});
  vrd_http_answer answer{sizeof(vrd_http_answer), fake.code, headers.data(), headers.size(), str_of(fake.body)};
  fn(ctx, VRD_OK, &answer, no_str());
}

bool has_break(vrd_str text) { return view_of(text).find_first_of("\r\n") != std::string_view::npos; }

bool good_http(const vrd_http_request* request) {
  if (!request || request->size < sizeof(vrd_http_request) || !good_timeout(request->timeout_ms, 600'000)) return false;
  std::string_view url = view_of(request->url);
  if (!url.starts_with("http://") && !url.starts_with("https://")) return false;
  if (request->method.len == 0 || has_break(request->method) || has_break(request->url) || request->header_count > 64 || request->max_response > (64u << 20)) return false;
  for (uint64_t i = 0; i < request->header_count; ++i)
    if (has_break(request->headers[i].name) || has_break(request->headers[i].value)) return false;
  return true;
}

vrd_status http_request(const vrd_host* host, const vrd_http_request* request, void* ctx, vrd_http_fn fn, vrd_op* op) {
  Instance* instance = nullptr;
  vrd_status status = gate(host, "core.http request", Where::loop, &instance);
  if (status != VRD_OK) return status;
  if (!fn || !good_http(request)) return VRD_E_INVALID;
  std::string line = string_of(request->method) + " " + string_of(request->url);
  HttpFake fake = read_http(fake_for(instance->bench->fake("http"), line));
  Request ask;
  ask.service = Service::http;
  ask.what = "http " + line + (request->body.len ? " " + string_of(request->body) : "");
  ask.timeout_ms = request->timeout_ms;
  ask.delay_ms = fake.delay;
  ask.status = fake.status;
  uint64_t most = request->max_response == 0 ? 1u << 20 : request->max_response;
  ask.deliver = [=](vrd_status given) { answer_http(fake, most, ctx, fn, given); };
  return instance->bench->ask(*instance, std::move(ask), op);
}

void http_cancel(const vrd_host* host, vrd_op op) { cancel_request(host, op, "core.http cancel"); }

struct Stream {
  const vrd_stream_events* events;
  void* ctx;
  YAML::Node fake;
  bool opened = false, closing = false;
  std::string sent, waiting;  // waiting: octets for a paused plugin
  bool paused = false;
  uint32_t idle_ms = 0;
};

// Of one bench: two of them may run in turn, and number their requests alike.
std::map<vrd_op, Stream>& streams(const Bench* bench) {
  static std::map<const Bench*, std::map<vrd_op, Stream>> the;
  return the[bench];
}

void end_stream(Bench* bench, vrd_op op, vrd_status status) {
  auto found = streams(bench).find(op);
  if (found == streams(bench).end()) return;
  Stream stream = found->second;
  streams(bench).erase(found);
  bench->forget(op);
  guarded(Role::loop, "stream closed", [&] { stream.events->closed(stream.ctx, op, status); });
}

void feed(Bench* bench, vrd_op op, const std::string& octets) {
  auto found = streams(bench).find(op);
  if (found == streams(bench).end()) return;
  if (found->second.paused) {
    found->second.waiting += octets;
    return;
  }
  Stream stream = found->second;
  LoopTime time("stream data");
  if (!octets.empty()) guarded(Role::loop, "stream data", [&] { stream.events->data(stream.ctx, op, str_of(octets)); });
  if (stream.closing) bench->at(0, [=] { end_stream(bench, op, VRD_E_CLOSED); });
}

void opened(Bench* bench, vrd_op op, vrd_status status) {
  auto found = streams(bench).find(op);
  if (found == streams(bench).end()) return;
  Stream stream = found->second;
  if (status == VRD_OK) found->second.opened = true;
  else streams(bench).erase(found);
  if (status != VRD_OK) bench->forget(op);
  guarded(Role::loop, "stream opened", [&] { stream.events->opened(stream.ctx, op, status); });
  if (status == VRD_OK && stream.fake["greeting"]) bench->at(0, [=] { feed(bench, op, stream.fake["greeting"].Scalar()); });
}

vrd_status stream_open(const vrd_host* host, const vrd_stream_request* request, const vrd_stream_events* events, void* ctx, vrd_op* op) {
  Instance* instance = nullptr;
  vrd_status status = gate(host, "core.stream open", Where::loop, &instance);
  if (status != VRD_OK) return status;
  if (!request || request->size < sizeof(*request) || !events || !events->opened || !events->data || !events->closed || !op) return VRD_E_INVALID;
  if (!good_timeout(request->timeout_ms, 60'000) || !good_timeout(request->idle_ms, 3'600'000)) return VRD_E_INVALID;
  std::string target = string_of(request->target);
  if (target.starts_with("tls://")) return VRD_E_UNSUPPORTED;
  if (!target.starts_with("tcp://") && !target.starts_with("unix:///")) return VRD_E_INVALID;
  Bench* bench = instance->bench;
  YAML::Node fake = fake_for(bench->fake("streams"), target);
  auto number = std::make_shared<vrd_op>(0);
  Request ask;
  ask.service = Service::stream;
  ask.what = "stream " + target;
  ask.timeout_ms = request->timeout_ms;
  ask.status = fake.IsMap() ? status_of(fake) : VRD_E_IO;
  ask.delay_ms = delay_of(fake);
  ask.deliver = [=](vrd_status given) {
    bench->track(*number, *instance, Service::stream, "stream " + target, 0);  // it lasts until it is closed
    opened(bench, *number, given);
  };
  status = bench->ask(*instance, std::move(ask), number.get());
  if (status == VRD_OK) streams(bench)[*number] = Stream{events, ctx, fake, false, false, "", "", false, request->idle_ms};
  *op = *number;
  return status;
}

vrd_status stream_send(const vrd_host* host, vrd_op op, vrd_str octets) {
  Instance* instance = nullptr;
  vrd_status status = gate(host, "core.stream send", Where::loop, &instance);
  if (status != VRD_OK) return status;
  Bench* bench = instance->bench;
  auto found = streams(bench).find(op);
  if (found == streams(bench).end()) return VRD_E_CLOSED;
  if (!found->second.opened) return VRD_E_STATE;
  Stream& stream = found->second;
  bench->note("stream send " + string_of(octets));
  stream.sent.append(view_of(octets));
  if (stream.fake["replies"])
    for (const auto& entry : stream.fake["replies"]) {
      if (stream.sent.find(entry.first.Scalar()) == std::string::npos) continue;
      stream.sent.clear();
      stream.closing = text_of(stream.fake, "close") == "true";
      bench->at(bench->now() + delay_of(stream.fake), [bench, op, text = entry.second.Scalar()] { feed(bench, op, text); });
      return VRD_OK;
    }
  bench->at(bench->now() + stream.idle_ms, [=] { end_stream(bench, op, VRD_E_TIMEOUT); }, true);
  return VRD_OK;
}

void stream_pause(const vrd_host* host, vrd_op op, int32_t on) {
  Instance* instance = nullptr;
  if (gate(host, "core.stream pause", Where::loop, &instance) != VRD_OK) return;
  Bench* bench = instance->bench;
  auto found = streams(bench).find(op);
  if (found == streams(bench).end()) return;
  found->second.paused = on != 0;
  if (on || found->second.waiting.empty()) return;
  bench->at(0, [bench, op, text = std::exchange(found->second.waiting, {})] { feed(bench, op, text); });
}

void stream_close(const vrd_host* host, vrd_op op) {
  Instance* instance = nullptr;
  if (gate(host, "core.stream close", Where::loop, &instance) != VRD_OK) return;
  instance->bench->forget(op);
  streams(instance->bench).erase(op);
}

vrd_status helper_open(const vrd_host* host, vrd_str name, uint32_t* helper) {
  Instance* instance = nullptr;
  vrd_status status = gate(host, "core.helper open", Where::create, &instance);
  if (status != VRD_OK) return status;
  const YAML::Node& fakes = instance->bench->fake("helpers");
  if (!helper || !fakes.IsMap() || !fakes[string_of(name)]) return VRD_E_NOT_FOUND;
  *helper = static_cast<uint32_t>(instance->helpers.size());
  instance->helpers.push_back(string_of(name));
  return VRD_OK;
}

vrd_status helper_call(const vrd_host* host, uint32_t helper, vrd_str octets, int32_t, uint32_t timeout_ms, void* ctx, vrd_helper_fn fn, vrd_op* op) {
  Instance* instance = nullptr;
  vrd_status status = gate(host, "core.helper call", Where::loop, &instance);
  if (status != VRD_OK) return status;
  if (helper >= instance->helpers.size() || !fn || octets.len > (1u << 20) || !good_timeout(timeout_ms, 3'600'000)) return VRD_E_INVALID;
  YAML::Node fake = fake_for(instance->bench->fake("helpers")[instance->helpers[helper]], string_of(octets));
  Request ask;
  ask.service = Service::helper;
  ask.what = "helper " + instance->helpers[helper] + " " + string_of(octets);
  ask.timeout_ms = timeout_ms;
  ask.status = fake.IsMap() ? status_of(fake) : fake.IsScalar() ? VRD_OK : VRD_E_CLOSED;
  ask.delay_ms = delay_of(fake);
  std::string answer = fake.IsScalar() ? fake.Scalar() : text_of(fake, "answer");
  ask.deliver = [=](vrd_status given) { fn(ctx, given, given == VRD_OK ? str_of(answer) : no_str(), -1); };
  return instance->bench->ask(*instance, std::move(ask), op);
}

void helper_cancel(const vrd_host* host, vrd_op op) { cancel_request(host, op, "core.helper cancel"); }

}  // namespace

const vrd_core_http_1* http_table() {
  static const vrd_core_http_1 kTable{sizeof(vrd_core_http_1), 0, http_request, http_cancel};
  return &kTable;
}

const vrd_core_stream_1* stream_table() {
  static const vrd_core_stream_1 kTable{sizeof(vrd_core_stream_1), 0, stream_open, stream_send, stream_pause, stream_close};
  return &kTable;
}

const vrd_core_helper_1* helper_table() {
  static const vrd_core_helper_1 kTable{sizeof(vrd_core_helper_1), 0, helper_open, helper_call, helper_cancel};
  return &kTable;
}

}  // namespace veredus::ptest
