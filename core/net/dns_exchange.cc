// UDP and TCP exchanges. The socket's handle outlives the asker until libuv has closed it.
#include "net/dns_exchange.h"

#include <uv.h>

#include "net/stream.h"

namespace veredus {

namespace {

class UdpSocket {
 public:
  UdpSocket(Loop& loop, const DnsQuery& query) : done(loop), loop_(loop), query_(query), handle_(new Handle) {
    handle_->owner = this;
    handle_->udp.data = handle_;
    uv_udp_init(loop.uv(), &handle_->udp);
  }
  UdpSocket(const UdpSocket&) = delete;
  ~UdpSocket() {
    handle_->owner = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(&handle_->udp), [](uv_handle_t* closed) { delete static_cast<Handle*>(closed->data); });
  }

  int send(const Endpoint& server);

  Event done;
  std::string message;
  unsigned strays = 0;
  int error = 0;

 private:
  struct Handle {
    uv_udp_t udp{};
    UdpSocket* owner = nullptr;
  };
  static void on_alloc(uv_handle_t* handle, size_t, uv_buf_t* buffer);
  static void on_datagram(uv_udp_t* udp, ssize_t count, const uv_buf_t* buffer, const sockaddr* from, unsigned flags);
  void received(std::string_view octets);

  Loop& loop_;
  const DnsQuery& query_;
  Handle* handle_;
};

int UdpSocket::send(const Endpoint& server) {
  sockaddr_storage address{};
  server.to(&address);
  if (int code = uv_udp_connect(&handle_->udp, reinterpret_cast<sockaddr*>(&address))) return code;
  if (int code = uv_udp_recv_start(&handle_->udp, &UdpSocket::on_alloc, &UdpSocket::on_datagram)) return code;
  auto buffer = uv_buf_init(const_cast<char*>(query_.octets.data()), static_cast<unsigned>(query_.octets.size()));
  int sent = uv_udp_try_send(&handle_->udp, &buffer, 1, nullptr);
  return sent < 0 && sent != UV_EAGAIN ? sent : 0;
}

void UdpSocket::on_alloc(uv_handle_t* handle, size_t, uv_buf_t* buffer) {
  auto* owner = static_cast<Handle*>(handle->data)->owner;
  *buffer = uv_buf_init(owner->loop_.shared_buffer(), Loop::kSharedBufferSize);
}

void UdpSocket::on_datagram(uv_udp_t* udp, ssize_t count, const uv_buf_t* buffer, const sockaddr* from, unsigned) {
  auto* owner = static_cast<Handle*>(udp->data)->owner;
  if (!owner || owner->done.is_set()) return;
  if (count < 0) {
    owner->error = static_cast<int>(count);
    owner->done.set();
  } else if (from) {
    owner->received({buffer->base, static_cast<size_t>(count)});
  }
}

void UdpSocket::received(std::string_view octets) {
  if (answers(query_, octets)) {
    message = octets;
  } else if (++strays < kMaxStrayDatagrams) {
    return;
  }
  done.set();
}

Error exchange_failure(const Endpoint& server, int code) {
  if (code == UV_ECONNREFUSED) return fail(Errc::refused, "nobody listens at the resolver's address " + server.text());
  return fail(Errc::io, "cannot reach the resolver " + server.text() + ": " + uv_strerror(code));
}

Error no_answer(const Endpoint& server) { return fail(Errc::timeout, "the resolver " + server.text() + " did not answer in time"); }

Error of_resolver(const Endpoint& server, Error error) {
  error.text = "the resolver " + server.text() + " by TCP: " + error.text;
  return error;
}

// Reads until so much is there. The peer's end of stream is an error.
Task<Status> fill_to(Stream& stream, size_t size, Deadline deadline) {
  while (stream.buffered().size() < size) {
    auto more = co_await stream.fill(deadline);
    if (!more) co_return more.error();
    if (*more == 0) co_return fail(Errc::closed, "it closed the connection before its answer was complete");
  }
  co_return Status{};
}

}  // namespace

Task<Result<std::string>> ask_by_udp(Loop& loop, Endpoint server, std::shared_ptr<const DnsQuery> query, Deadline deadline) {
  UdpSocket socket(loop, *query);
  if (int code = socket.send(server)) co_return exchange_failure(server, code);
  if (!co_await socket.done.wait(deadline)) co_return no_answer(server);
  if (socket.error) co_return exchange_failure(server, socket.error);
  if (socket.message.empty()) co_return fail(Errc::limit, "too many datagrams from " + server.text() + " answer something else");
  co_return std::move(socket.message);
}

Task<Result<std::string>> ask_by_tcp(Loop& loop, Endpoint server, std::shared_ptr<const DnsQuery> query, Deadline deadline) {
  ConnectOptions options;
  options.to = server;
  auto stream = co_await connect_stream(loop, options, deadline);
  if (!stream) co_return of_resolver(server, stream.error());
  auto size = static_cast<unsigned>(query->octets.size());
  std::string framed{static_cast<char>(size >> 8), static_cast<char>(size & 255)};
  framed += query->octets;
  auto sent = co_await (*stream)->write(std::move(framed), deadline);
  if (!sent) co_return of_resolver(server, sent.error());
  auto head = co_await fill_to(**stream, 2, deadline);
  if (!head) co_return of_resolver(server, head.error());
  std::string_view start = (*stream)->buffered();
  size_t length = static_cast<size_t>(static_cast<unsigned char>(start[0]) << 8 | static_cast<unsigned char>(start[1]));
  auto body = co_await fill_to(**stream, 2 + length, deadline);
  if (!body) co_return of_resolver(server, body.error());
  std::string message((*stream)->buffered().substr(2, length));
  if (!answers(*query, message)) co_return fail(Errc::corrupt, "the resolver " + server.text() + " answered another question");
  co_return message;
}

}  // namespace veredus
