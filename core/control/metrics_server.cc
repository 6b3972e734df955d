// MetricsServer: libmicrohttpd's epoll descriptor is polled by the loop, its time-outs are a timer of the loop. A request is answered inside
// its callback: rendering only reads values, so nothing can come back in here.
#include "control/metrics_server.h"

#include <microhttpd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <list>
#include <string_view>

#include "log/events.h"
#include "net/listener.h"

namespace veredus {

namespace {

constexpr unsigned kMaxConnections = 16;
constexpr unsigned kMaxPerClient = 8;
constexpr unsigned kIdleSeconds = 10;
constexpr Millis kWholeTime{30'000};  // of a connection, so that one that trickles ends too
constexpr size_t kRequestMemory = 16 * 1024;

}  // namespace

class MetricsServer::Http {
 public:
  Http(Loop& loop, std::function<std::string()> render) : loop_(loop), render_(std::move(render)) {}
  ~Http();
  Status start(Endpoint address);
  Endpoint address() const { return address_; }

 private:
  struct Poll {
    uv_poll_t poll{};
    Http* http = nullptr;
  };
  struct Client {
    int fd;
    MonoTime until;
  };
  static MHD_Result on_request(void* self, MHD_Connection* connection, const char* url, const char* method, const char*, const char*,
                               size_t* body_size, void** known);
  static void on_connection(void* self, MHD_Connection* connection, void**, MHD_ConnectionNotificationCode code);
  MHD_Result answer(MHD_Connection* connection, unsigned code, const std::string& body);
  void work();
  void end_overdue();

  Loop& loop_;
  std::function<std::string()> render_;
  Endpoint address_;
  MHD_Daemon* daemon_ = nullptr;
  Poll* poll_ = nullptr;
  Timer timer_;
  std::list<Client> clients_;  // oldest first
};

MetricsServer::Http::~Http() {
  timer_.cancel();
  if (poll_) {
    poll_->http = nullptr;
    uv_poll_stop(&poll_->poll);
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_->poll), [](uv_handle_t* h) { delete static_cast<Poll*>(h->data); });
  }
  if (daemon_) MHD_stop_daemon(daemon_);
}

Status MetricsServer::Http::start(Endpoint address) {
  auto fd = bind_listener(address);
  if (!fd) return fd.error();
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  getsockname(*fd, reinterpret_cast<sockaddr*>(&bound), &length);
  address_ = Endpoint::from(reinterpret_cast<sockaddr*>(&bound));
  daemon_ = MHD_start_daemon(MHD_USE_EPOLL, 0, nullptr, nullptr, &Http::on_request, this,
                             MHD_OPTION_LISTEN_SOCKET, *fd, MHD_OPTION_CONNECTION_LIMIT, kMaxConnections,
                             MHD_OPTION_PER_IP_CONNECTION_LIMIT, kMaxPerClient, MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds,
                             MHD_OPTION_CONNECTION_MEMORY_LIMIT, kRequestMemory, MHD_OPTION_NOTIFY_CONNECTION, &Http::on_connection,
                             this, MHD_OPTION_END);
  if (!daemon_) {
    close(*fd);
    return fail(Errc::io, "cannot serve metrics on " + address.text());
  }
  poll_ = new Poll;
  poll_->http = this;
  poll_->poll.data = poll_;
  uv_poll_init(loop_.uv(), &poll_->poll, MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
  uv_poll_start(&poll_->poll, UV_READABLE, [](uv_poll_t* poll, int, int) {
    if (Http* http = static_cast<Poll*>(poll->data)->http) http->work();
  });
  return {};
}

void MetricsServer::Http::work() {
  end_overdue();
  MHD_run(daemon_);
  MHD_UNSIGNED_LONG_LONG wait = 0;
  bool waits = MHD_get_timeout(daemon_, &wait) == MHD_YES;
  MonoTime when = waits ? loop_.now() + Millis(wait) : MonoTime::max();
  if (!clients_.empty()) when = std::min(when, clients_.front().until);
  timer_.cancel();
  if (when != MonoTime::max()) timer_.start(loop_, when, [](void* self) { static_cast<Http*>(self)->work(); }, this);
}

// Only the socket is shut: the library notices and frees what it holds.
void MetricsServer::Http::end_overdue() {
  for (Client& client : clients_) {
    if (client.until > loop_.now()) break;
    ::shutdown(client.fd, SHUT_RDWR);
    client.until = loop_.now() + kWholeTime;
  }
}

void MetricsServer::Http::on_connection(void* self, MHD_Connection* connection, void**, MHD_ConnectionNotificationCode code) {
  auto* http = static_cast<Http*>(self);
  int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
  if (code == MHD_CONNECTION_NOTIFY_STARTED)
    http->clients_.push_back({fd, http->loop_.now() + kWholeTime});
  else
    http->clients_.remove_if([fd](const Client& client) { return client.fd == fd; });
}

MHD_Result MetricsServer::Http::on_request(void* self, MHD_Connection* connection, const char* url, const char* method, const char*,
                                           const char*, size_t* body_size, void** known) {
  static int seen;
  auto* http = static_cast<Http*>(self);
  if (!*known) {  // head of the request; it is answered when all of it is there
    *known = &seen;
    return MHD_YES;
  }
  if (*body_size > 0) {
    *body_size = 0;
    return MHD_YES;
  }
  if (std::string_view(method) != "GET" && std::string_view(method) != "HEAD")
    return http->answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
  if (std::string_view(url) != "/metrics") return http->answer(connection, MHD_HTTP_NOT_FOUND, "only /metrics\n");
  return http->answer(connection, MHD_HTTP_OK, http->render_());
}

MHD_Result MetricsServer::Http::answer(MHD_Connection* connection, unsigned code, const std::string& body) {
  MHD_Response* response = MHD_create_response_from_buffer(body.size(), const_cast<char*>(body.data()), MHD_RESPMEM_MUST_COPY);
  if (!response) return MHD_NO;
  MHD_add_response_header(response, "Content-Type", code == MHD_HTTP_OK ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain");
  MHD_add_response_header(response, "Connection", "close");
  if (code == MHD_HTTP_METHOD_NOT_ALLOWED) MHD_add_response_header(response, "Allow", "GET, HEAD");
  MHD_Result queued = MHD_queue_response(connection, code, response);
  MHD_destroy_response(response);
  return queued;
}

MetricsServer::MetricsServer(Loop& loop, Endpoint address, std::function<std::string()> render, Log& log)
    : http_(std::make_unique<Http>(loop, std::move(render))) {
  auto started = http_->start(address);
  if (started) {
    log.write(events::kMetricsStarted, {{"address", http_->address().text()}});
    return;
  }
  http_.reset();
  log.write(events::kMetricsFailed, {{"address", address.text()}, {"problem", started.error().text}});
}

MetricsServer::~MetricsServer() = default;

Endpoint MetricsServer::address() const { return http_ ? http_->address() : Endpoint{}; }

}  // namespace veredus
