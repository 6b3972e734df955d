// core.http/1: requests through the loop's HTTP client.
#include <veredus/http.h>

#include "net/http_client.h"
#include "plugin/host_support.h"
#include "plugin/interfaces.h"

namespace veredus {

namespace {

constexpr size_t kMost = 1'000, kMostHeaders = 64, kLongestUrl = 64 * 1024;
constexpr uint32_t kLongestWait = 600'000;
constexpr uint64_t kMostResponse = 64 << 20;

vrd_status status_of_failure(Errc code) {
  return code == Errc::timeout ? VRD_E_TIMEOUT : code == Errc::limit ? VRD_E_MEMORY : code == Errc::cancelled ? VRD_E_CANCELLED : VRD_E_IO;
}

OpTask request_it(Shard* shard, HttpRequest request, void* ctx, vrd_http_fn fn) {
  Op& op = co_await CurrentOp();
  auto response = co_await shard->services.http->request(std::move(request));
  op.release();
  std::vector<vrd_pair> headers;
  vrd_http_answer answer{};
  if (response) {
    for (const auto& [name, value] : response->headers) headers.push_back({str_of(name), str_of(value)});
    answer = {VRD_SIZED(vrd_http_answer), static_cast<uint32_t>(response->status), headers.data(), headers.size(), str_of(response->body)};
  }
  vrd_status status = response ? VRD_OK : status_of_failure(response.error().code);
  std::string why = response ? "" : response.error().text;
  call_back(shard, "http answer", [&] { fn(ctx, status, response ? &answer : nullptr, str_of(why)); });
}

bool clean(vrd_str text, const char* forbidden) { return readable(text) && view_of(text).find_first_of(std::string_view(forbidden, 3)) == std::string_view::npos; }

bool read_headers(const vrd_http_request& given, HttpHeaders& out) {
  if (given.header_count > kMostHeaders || (given.header_count > 0 && !given.headers)) return false;
  for (uint64_t i = 0; i < given.header_count; ++i) {
    const vrd_pair& pair = given.headers[i];
    if (pair.name.len == 0 || !clean(pair.name, "\r\n\0") || !clean(pair.value, "\r\n\0")) return false;
    out.emplace_back(view_of(pair.name), view_of(pair.value));
  }
  return true;
}

bool read_request(const vrd_http_request& given, HttpRequest& out) {
  if (!VRD_HAS(vrd_http_request, &given, unix_path) || !within(given.timeout_ms, kLongestWait) || given.max_response > kMostResponse) return false;
  for (vrd_str text : {given.method, given.url, given.ca_file, given.unix_path})
    if (!clean(text, "\r\n\0")) return false;
  std::string_view url = view_of(given.url);
  if (given.method.len == 0 || url.size() > kLongestUrl || !(url.starts_with("http://") || url.starts_with("https://"))) return false;
  if (!readable(given.body) || !read_headers(given, out.headers)) return false;
  out.method = view_of(given.method);
  out.url = url;
  out.body = view_of(given.body);
  out.timeout = Millis(given.timeout_ms);
  if (given.max_response > 0) out.max_response = given.max_response;
  out.ca_file = view_of(given.ca_file);
  out.unix_path = view_of(given.unix_path);
  return true;
}

vrd_status request(const vrd_host* host, const vrd_http_request* given, void* ctx, vrd_http_fn fn, vrd_op* op) {
  Asking asking(host, "core.http request", OpService::http, kMost);
  if (!asking) return asking.status();
  HttpRequest wanted;
  if (!given || !fn || !read_request(*given, wanted)) return VRD_E_INVALID;
  if (!asking.services().http) return VRD_E_UNSUPPORTED;
  return asking.begin(request_it(&asking.shard(), std::move(wanted), ctx, fn), op);
}

void cancel(const vrd_host* host, vrd_op op) { cancel_op(host, "core.http cancel", OpService::http, op); }

}  // namespace

const vrd_core_http_1& core_http() {
  static constexpr vrd_core_http_1 table{VRD_SIZED(vrd_core_http_1), 0, request, cancel};
  return table;
}

}  // namespace veredus
