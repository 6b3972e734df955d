// The HTTP client. libcurl's callbacks only store what came and set events; coroutines resume from the loop's ready list, so libcurl is
// never entered from within itself.
#include "net/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <mutex>
#include <set>

#include "base/text.h"

namespace veredus {

namespace {

constexpr size_t kMaxHeaderOctets = 65536;

struct EasyEnd {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListEnd {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct UrlEnd {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Easy = std::unique_ptr<CURL, EasyEnd>;
using List = std::unique_ptr<curl_slist, ListEnd>;
using Url = std::unique_ptr<CURLU, UrlEnd>;

void append(List& list, const std::string& line) { list.reset(curl_slist_append(list.release(), line.c_str())); }

std::string part_of(const Url& url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return {};
  std::string out = text;
  curl_free(text);
  return out;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7F; });
}

bool is_token(std::string_view text) {
  constexpr std::string_view kAllowed = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return !text.empty() && text.find_first_not_of(kAllowed) == std::string_view::npos;
}

Status check_request(const HttpRequest& request) {
  if (!is_token(request.method)) return fail(Errc::invalid, "the method is not a word of HTTP");
  if (request.url.find_first_of(std::string_view(" \t\r\n\0", 5)) != std::string::npos) return fail(Errc::invalid, "the URL has white space");
  for (const auto& [name, value] : request.headers)
    if (!is_token(name) || has_control(value)) return fail(Errc::invalid, "a header field is malformed: " + printable(name));
  return {};
}

Errc code_of(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST: return Errc::not_found;
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_PEER_FAILED_VERIFICATION: return Errc::refused;
    case CURLE_OPERATION_TIMEDOUT: return Errc::timeout;
    case CURLE_TOO_MANY_REDIRECTS: return Errc::limit;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR: return Errc::closed;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:  // the scheme was checked before: an answer that is not HTTP/1 or 2, or a redirection elsewhere
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM: return Errc::corrupt;
    case CURLE_URL_MALFORMAT: return Errc::invalid;
    default: return Errc::io;
  }
}

void initialise_once() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

}  // namespace

std::string_view HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

// libcurl's multi handle, its sockets as polls and its one timer.
struct HttpClient::Multi {
  struct Poll {
    uv_poll_t handle;
    Multi* multi;
    curl_socket_t fd;
  };

  Multi(Loop& l, HttpClientOptions o) : loop(l), options(o), handle(curl_multi_init()) {
    curl_multi_setopt(handle, CURLMOPT_SOCKETFUNCTION, &Multi::on_socket);
    curl_multi_setopt(handle, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(handle, CURLMOPT_TIMERFUNCTION, &Multi::on_timer);
    curl_multi_setopt(handle, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(handle, CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(o.max_connections));
    curl_multi_setopt(handle, CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(o.max_connections_per_host));
    curl_multi_setopt(handle, CURLMOPT_MAXCONNECTS, static_cast<long>(o.max_connections));
  }
  ~Multi() { end(); }
  Multi(const Multi&) = delete;

  void end();
  void act(curl_socket_t fd, int events);
  void collect();

  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* poll);
  static int on_timer(CURLM*, long milliseconds, void* self);
  static void on_ready(uv_poll_t* handle, int status, int events);
  static void due(void* self) { static_cast<Multi*>(self)->act(CURL_SOCKET_TIMEOUT, 0); }

  Loop& loop;
  HttpClientOptions options;
  CURLM* handle;
  Timer timer;
  std::set<Call*> calls;
};

// One request; lives in its coroutine's frame.
struct HttpClient::Call {
  Call(std::shared_ptr<Multi> m, HttpRequest r) : multi(std::move(m)), request(std::move(r)), ended(multi->loop), easy(curl_easy_init()) {
    multi->calls.insert(this);
  }
  ~Call() {
    multi->calls.erase(this);
    detach();
  }
  Call(const Call&) = delete;

  Status prepare();
  Result<HttpResponse> result();
  Error error() const;
  void detach() {
    if (attached) curl_multi_remove_handle(multi->handle, easy.get());
    attached = false;
  }
  void finish(CURLcode how) {
    code = how;
    ended.set();
  }
  template <typename T>
  void set(CURLoption option, T value) {
    curl_easy_setopt(easy.get(), option, value);
  }
  void set_safety();
  void set_method();
  void set_headers();
  bool has_header(std::string_view name) const {
    return std::any_of(request.headers.begin(), request.headers.end(), [name](const auto& one) { return lowered(one.first) == name; });
  }

  static size_t on_body(char* octets, size_t, size_t count, void* self);
  static size_t on_header(char* octets, size_t, size_t count, void* self);

  std::shared_ptr<Multi> multi;
  HttpRequest request;
  HttpResponse response;
  Event ended;
  List headers, addresses;
  std::string host, port;
  char reason[CURL_ERROR_SIZE] = {};
  CURLcode code = CURLE_OK;
  size_t header_octets = 0;
  const char* too_large = nullptr;
  bool attached = false, cancelled = false;
  Easy easy;  // last: ends first, and looks at the others then
};

void HttpClient::Multi::end() {
  if (!handle) return;
  for (Call* call : calls) {
    call->detach();
    call->cancelled = true;
    call->ended.set();
  }
  curl_multi_cleanup(handle);
  handle = nullptr;
  timer.cancel();
}

int HttpClient::Multi::on_socket(CURL*, curl_socket_t fd, int what, void* self, void* known) {
  auto* multi = static_cast<Multi*>(self);
  auto* poll = static_cast<Poll*>(known);
  if (what == CURL_POLL_REMOVE) {
    if (!poll) return 0;
    curl_multi_assign(multi->handle, fd, nullptr);
    uv_poll_stop(&poll->handle);
    uv_close(reinterpret_cast<uv_handle_t*>(&poll->handle), [](uv_handle_t* closed) { delete static_cast<Poll*>(closed->data); });
    return 0;
  }
  if (!poll) {
    poll = new Poll{{}, multi, fd};
    if (uv_poll_init_socket(multi->loop.uv(), &poll->handle, fd) != 0) {
      delete poll;
      return -1;
    }
    poll->handle.data = poll;
    curl_multi_assign(multi->handle, fd, poll);
  }
  int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
  return uv_poll_start(&poll->handle, events, &Multi::on_ready) == 0 ? 0 : -1;
}

int HttpClient::Multi::on_timer(CURLM*, long milliseconds, void* self) {
  auto* multi = static_cast<Multi*>(self);
  if (milliseconds < 0) multi->timer.cancel();
  else multi->timer.start(multi->loop, multi->loop.now() + Millis(milliseconds), &Multi::due, multi);
  return 0;
}

// act() may close this poll, and the client's last request.
void HttpClient::Multi::on_ready(uv_poll_t* handle, int status, int events) {
  auto* poll = static_cast<Poll*>(handle->data);
  int what = status < 0 ? CURL_CSELECT_ERR : 0;
  if (events & UV_READABLE) what |= CURL_CSELECT_IN;
  if (events & UV_WRITABLE) what |= CURL_CSELECT_OUT;
  poll->multi->act(poll->fd, what);
}

void HttpClient::Multi::act(curl_socket_t fd, int events) {
  int running = 0;
  curl_multi_socket_action(handle, fd, events, &running);
  collect();
}

void HttpClient::Multi::collect() {
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(handle, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    char* call = nullptr;
    CURLcode how = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
    reinterpret_cast<Call*>(call)->finish(how);
  }
}

size_t HttpClient::Call::on_body(char* octets, size_t, size_t count, void* self) {
  auto* call = static_cast<Call*>(self);
  if (call->response.body.size() + count > call->request.max_response) {
    call->too_large = "the answer's body is larger than allowed";
    return 0;
  }
  call->response.body.append(octets, count);
  return count;
}

// A status line begins an answer anew: after an interim answer, or a redirection.
size_t HttpClient::Call::on_header(char* octets, size_t, size_t count, void* self) {
  auto* call = static_cast<Call*>(self);
  std::string_view line(octets, count);
  if ((call->header_octets += count) > kMaxHeaderOctets) {
    call->too_large = "the answer's header is larger than 64 KiB";
    return 0;
  }
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {
    call->response.headers.clear();
    return count;
  }
  size_t colon = line.find(':');
  if (colon == std::string_view::npos) return count;
  call->response.headers.emplace_back(lowered(line.substr(0, colon)), std::string(trimmed(line.substr(colon + 1))));
  return count;
}

Status HttpClient::Call::prepare() {
  if (!easy) return fail(Errc::io, "no memory for a request");
  if (Status legal = check_request(request); !legal) return legal;
  Url url(curl_url());
  if (curl_url_set(url.get(), CURLUPART_URL, request.url.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) return fail(Errc::invalid, "the URL is malformed");
  std::string scheme = part_of(url, CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") return fail(Errc::invalid, "the URL is neither http nor https");
  host = part_of(url, CURLUPART_HOST);
  port = part_of(url, CURLUPART_PORT);
  set(CURLOPT_URL, request.url.c_str());
  set_safety();
  set_method();
  set_headers();
  return {};
}

void HttpClient::Call::set_safety() {
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PROXY, "");  // none, whatever the environment says
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);  // cancelling does not wait for a thread that looks up a name
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::max<int64_t>(1, request.connect_timeout.count())));
  set(CURLOPT_FOLLOWLOCATION, request.max_redirects > 0 ? 1L : 0L);
  set(CURLOPT_MAXREDIRS, static_cast<long>(request.max_redirects));
  if (!request.ca_file.empty()) set(CURLOPT_CAINFO, request.ca_file.c_str());
  if (!request.unix_path.empty()) set(CURLOPT_UNIX_SOCKET_PATH, request.unix_path.c_str());
  set(CURLOPT_PRIVATE, reinterpret_cast<char*>(this));
  set(CURLOPT_ERRORBUFFER, reason);
  set(CURLOPT_WRITEFUNCTION, &Call::on_body);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_HEADERFUNCTION, &Call::on_header);
  set(CURLOPT_HEADERDATA, this);
}

void HttpClient::Call::set_method() {
  bool sends_body = !request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (sends_body) {
    set(CURLOPT_POSTFIELDS, request.body.data());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  } else if (request.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  }
  if (request.method != "HEAD" || sends_body) set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

// What libcurl would add by itself is taken out ("Name:"); a field that is really empty is "Name;" to it.
void HttpClient::Call::set_headers() {
  for (const auto& [name, value] : request.headers) append(headers, value.empty() ? name + ";" : name + ": " + value);
  for (const char* unasked : {"Expect", "Content-Type"})
    if (!has_header(lowered(unasked))) append(headers, std::string(unasked) + ":");
  set(CURLOPT_HTTPHEADER, headers.get());
}

Error HttpClient::Call::error() const {
  if (cancelled) return fail(Errc::cancelled, "the client ended");
  if (too_large) return fail(Errc::limit, too_large);
  return fail(code_of(code), reason[0] ? printable(reason) : std::string(curl_easy_strerror(code)));
}

Result<HttpResponse> HttpClient::Call::result() {
  if (cancelled || code != CURLE_OK) return error();
  long status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  response.status = static_cast<int>(status);
  return std::move(response);
}

HttpClient::HttpClient(Loop& loop, HttpClientOptions options) {
  initialise_once();
  multi_ = std::make_shared<Multi>(loop, options);
}

HttpClient::~HttpClient() { multi_->end(); }

size_t HttpClient::under_way() const { return multi_->calls.size(); }

Task<Result<HttpResponse>> HttpClient::request(HttpRequest request) { return carry_out(multi_, std::move(request)); }

Task<Result<std::string>> HttpClient::look_up(Resolver& resolver, std::string host, Deadline deadline) {
  std::string addresses, problem;
  for (DnsType type : {DnsType::a, DnsType::aaaa}) {
    auto answer = co_await resolver.query(host, type, deadline);
    for (const DnsRecord& record : answer->records) addresses += (addresses.empty() ? "" : ",") + record.address.text();
    if (answer->temporary()) problem = answer->problem;
  }
  if (!addresses.empty()) co_return addresses;
  if (!problem.empty()) co_return fail(Errc::timeout, host + ": " + problem);
  co_return fail(Errc::not_found, host + " has no address");
}

// Hands libcurl the addresses, so that it starts no thread to ask the system. The "+" lets them age in its cache like others.
Task<Status> HttpClient::resolve(std::shared_ptr<Multi> multi, Call& call, Deadline deadline) {
  bool literal = call.host.starts_with("[") || IpAddress::parse(call.host);
  if (!multi->options.resolver || literal || !call.request.unix_path.empty()) co_return Status();
  auto found = co_await look_up(*multi->options.resolver, call.host, deadline);
  if (!found) co_return found.error();
  append(call.addresses, "+" + call.host + ":" + call.port + ":" + *found);
  call.set(CURLOPT_RESOLVE, call.addresses.get());
  co_return Status();
}

Task<Result<HttpResponse>> HttpClient::carry_out(std::shared_ptr<Multi> multi, HttpRequest request) {
  if (!multi->handle) co_return fail(Errc::cancelled, "the client ended");
  if (multi->calls.size() >= multi->options.max_requests) co_return fail(Errc::busy, "too many requests are under way");
  std::string timed_out = "no answer within " + std::to_string(request.timeout.count()) + " ms";
  Deadline deadline = Deadline::in(multi->loop, request.timeout);
  Call call(multi, std::move(request));
  if (Status ready = call.prepare(); !ready) co_return ready.error();
  Status resolved = co_await resolve(multi, call, deadline);
  if (call.cancelled) co_return call.error();
  if (!resolved) co_return resolved.error();
  if (curl_multi_add_handle(multi->handle, call.easy.get()) != CURLM_OK) co_return fail(Errc::io, "the request could not begin");
  call.attached = true;
  bool in_time = co_await call.ended.wait(deadline);
  if (!in_time) co_return fail(Errc::timeout, timed_out);
  co_return call.result();
}

}  // namespace veredus
