// Streams over libuv. Callbacks only store what happened and set events; coroutines resume from the loop's ready list.
#include "net/uv_stream.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <vector>

namespace veredus {

namespace {

constexpr size_t kStopReadingAt = 128 * 1024;
constexpr size_t kReadAgainAt = 64 * 1024;
constexpr size_t kMaxViews = 64;

struct WriteRequest {
  uv_write_t request{};
  UvStream::Handle* handle = nullptr;
  std::string octets;
};

std::vector<uv_buf_t> buffers_of(std::span<const std::string_view> octets) {
  std::vector<uv_buf_t> out;
  for (std::string_view piece : octets)
    if (!piece.empty()) out.push_back(uv_buf_init(const_cast<char*>(piece.data()), static_cast<unsigned>(piece.size())));
  return out;
}

}  // namespace

UvStream::Handle* UvStream::Handle::make(Loop& loop, bool tcp) {
  auto* handle = new Handle;
  if (tcp) uv_tcp_init(loop.uv(), &handle->tcp);
  else uv_pipe_init(loop.uv(), &handle->pipe, 0);
  handle->any.data = handle;
  return handle;
}

void UvStream::Handle::close() {
  owner = nullptr;
  uv_close(&any, [](uv_handle_t* closed) { delete static_cast<Handle*>(closed->data); });
}

UvStream::UvStream(Loop& loop, Handle* handle, std::string name)
    : loop_(loop), handle_(handle), name_(std::move(name)), arrived_(loop), written_(loop) {
  handle_->owner = this;
  if (handle_->any.type != UV_TCP) return;
  sockaddr_storage address{};
  int length = sizeof address;
  if (uv_tcp_getpeername(&handle_->tcp, reinterpret_cast<sockaddr*>(&address), &length) == 0)
    peer_ = Endpoint::from(reinterpret_cast<sockaddr*>(&address));
  length = sizeof address;
  if (uv_tcp_getsockname(&handle_->tcp, reinterpret_cast<sockaddr*>(&address), &length) == 0)
    local_ = Endpoint::from(reinterpret_cast<sockaddr*>(&address));
  uv_tcp_nodelay(&handle_->tcp, 1);
}

UvStream::~UvStream() {
  if (handle_) handle_->close();
}

std::string UvStream::who() const {
  if (peer_.ip) return peer_.text();
  return name_.empty() ? std::string("the local peer") : name_;
}

Error UvStream::failure(int code, const char* doing) const {
  Errc kind = Errc::io;
  if (code == UV_ECONNRESET || code == UV_EPIPE || code == UV_EOF || code == UV_ECANCELED) kind = Errc::closed;
  if (code == UV_ETIMEDOUT) kind = Errc::timeout;
  return fail(kind, std::string(doing) + " " + who() + ": " + uv_strerror(code));
}

Status UvStream::start_reading() {
  if (reading_ || read_error_) return {};
  int code = uv_read_start(&handle_->stream, &UvStream::on_alloc, &UvStream::on_read);
  if (code != 0) return failure(code, "reading from");
  reading_ = true;
  return {};
}

void UvStream::on_alloc(uv_handle_t* handle, size_t, uv_buf_t* buffer) {
  auto* owner = static_cast<Handle*>(handle->data)->owner;
  *buffer = uv_buf_init(owner->loop_.shared_buffer(), Loop::kSharedBufferSize);
}

void UvStream::on_read(uv_stream_t* handle, ssize_t count, const uv_buf_t* buffer) {
  if (auto* owner = static_cast<Handle*>(handle->data)->owner; owner && count != 0) owner->received(count, buffer->base);
}

void UvStream::received(ssize_t count, const char* octets) {
  if (count < 0) {
    read_error_ = static_cast<int>(count);
    uv_read_stop(&handle_->stream);
    reading_ = false;
  } else {
    if (used_ > 0 && used_ == pending_.size()) pending_.clear(), used_ = 0;
    pending_.append(octets, static_cast<size_t>(count));
    unseen_ += static_cast<size_t>(count);
    if (pending_.size() - used_ >= kStopReadingAt) {
      uv_read_stop(&handle_->stream);
      reading_ = false;
    }
  }
  arrived_.set();
}

void UvStream::consume(size_t count) {
  used_ += count;
  if (used_ == pending_.size()) {
    std::string().swap(pending_);
    used_ = 0;
  } else if (used_ >= kReadAgainAt) {
    pending_.erase(0, used_);
    used_ = 0;
  }
  unseen_ = std::min(unseen_, pending_.size() - used_);
  if (!reading_ && !read_error_ && pending_.size() - used_ < kReadAgainAt) (void)start_reading();
}

Task<Result<size_t>> UvStream::fill(Deadline deadline) {
  for (;;) {
    arrived_.reset();
    if (unseen_ > 0) co_return std::exchange(unseen_, 0);
    if (read_error_ == UV_EOF) co_return size_t{0};
    if (read_error_) co_return failure(read_error_, "reading from");
    if (auto started = start_reading(); !started) co_return started.error();
    if (!co_await arrived_.wait(deadline)) co_return fail(Errc::timeout, "nothing came from " + who() + " in time");
  }
}

bool UvStream::input_pending() {
  if (used_ < pending_.size()) return true;
  uv_os_fd_t fd = -1;
  int waiting = 0;
  if (read_error_ || uv_fileno(&handle_->any, &fd) != 0) return false;
  return ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

Result<size_t> UvStream::try_write(std::span<const std::string_view> octets) {
  if (write_error_) return failure(write_error_, "writing to");
  if (writes_queued_ > 0) return size_t{0};
  auto buffers = buffers_of(octets.first(std::min(octets.size(), kMaxViews)));
  if (buffers.empty()) return size_t{0};
  int taken = uv_try_write(&handle_->stream, buffers.data(), static_cast<unsigned>(buffers.size()));
  if (taken == UV_EAGAIN) return size_t{0};
  if (taken < 0) {
    write_error_ = taken;
    return failure(taken, "writing to");
  }
  return static_cast<size_t>(taken);
}

Task<Status> UvStream::write(std::string octets, Deadline deadline) {
  std::string_view view(octets);
  auto taken = try_write({&view, 1});
  if (!taken) co_return taken.error();
  if (*taken == view.size()) co_return Status{};
  co_return co_await write_rest({&view, 1}, *taken, deadline);
}

Task<Status> UvStream::write_views(std::span<const std::string_view> octets, Deadline deadline) {
  while (!octets.empty()) {
    auto batch = octets.first(std::min(octets.size(), kMaxViews));
    size_t size = 0;
    for (std::string_view piece : batch) size += piece.size();
    auto taken = try_write(batch);
    if (!taken) co_return taken.error();
    if (*taken < size) {
      auto rest = co_await write_rest(batch, *taken, deadline);
      if (!rest) co_return rest;
    }
    octets = octets.subspan(batch.size());
  }
  co_return Status{};
}

Task<Status> UvStream::write_rest(std::span<const std::string_view> octets, size_t skip, Deadline deadline) {
  auto request = std::make_unique<WriteRequest>();
  for (std::string_view piece : octets) {
    size_t cut = std::min(skip, piece.size());
    skip -= cut;
    request->octets.append(piece.substr(cut));
  }
  request->handle = handle_;
  request->request.data = request.get();
  uv_buf_t buffer = uv_buf_init(request->octets.data(), static_cast<unsigned>(request->octets.size()));
  int code = uv_write(&request->request, &handle_->stream, &buffer, 1, &UvStream::on_written);
  if (code != 0) co_return failure(code, "writing to");
  request.release();
  ++writes_queued_;
  written_.reset();
  if (!co_await written_.wait(deadline)) {
    if (!write_error_) write_error_ = UV_ETIMEDOUT;  // what the kernel did not take must not mix with later octets
    co_return fail(Errc::timeout, who() + " did not take all in time");
  }
  if (write_error_) co_return failure(write_error_, "writing to");
  co_return Status{};
}

void UvStream::on_written(uv_write_t* raw, int status) {
  std::unique_ptr<WriteRequest> request(static_cast<WriteRequest*>(raw->data));
  UvStream* owner = request->handle->owner;
  if (!owner) return;
  if (status != 0) owner->write_error_ = status;
  if (--owner->writes_queued_ == 0) owner->written_.set();
}

void UvStream::shutdown() {
  if (!handle_) return;
  auto* request = new uv_shutdown_t;
  if (uv_shutdown(request, &handle_->stream, [](uv_shutdown_t* done, int) { delete done; }) != 0) delete request;
}

void UvStream::reset() {
  if (!handle_) return;
  uv_os_fd_t fd = -1;
  if (uv_fileno(&handle_->any, &fd) == 0) {
    linger hard{1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  close();
}

void UvStream::close() {
  if (!handle_) return;
  std::exchange(handle_, nullptr)->close();
  reading_ = false;
  read_error_ = write_error_ = UV_ECONNRESET;
  arrived_.set();
  written_.set();
}

namespace {

struct ConnectRequest {
  uv_connect_t request{};
  Event* done = nullptr;  // null once the asker is gone
  int status = 0;
};

void on_connected(uv_connect_t* raw, int status) {
  auto* request = static_cast<ConnectRequest*>(raw->data);
  if (!request->done) {
    delete request;
    return;
  }
  request->status = status;
  request->done->set();
  request->done = nullptr;
}

// Lets go of a request that libuv may still hold.
struct ConnectHold {
  explicit ConnectHold(ConnectRequest* r) : request(r) {}
  ~ConnectHold() {
    if (request->done) request->done = nullptr;
    else delete request;
  }
  ConnectRequest* request;
};

struct HandleHold {
  explicit HandleHold(UvStream::Handle* h) : handle(h) {}
  ~HandleHold() {
    if (handle) handle->close();
  }
  UvStream::Handle* handle;
};

int begin_connect(const ConnectOptions& options, UvStream::Handle* handle, uv_connect_t* request) {
  if (!options.unix_path.empty()) {
    if (options.unix_path.size() >= sizeof(sockaddr_un::sun_path)) return UV_ENAMETOOLONG;
    uv_pipe_connect(request, &handle->pipe, options.unix_path.c_str(), &on_connected);
    return 0;
  }
  sockaddr_storage address{};
  if (!options.to.ip) return UV_EDESTADDRREQ;
  if (options.bind) {
    Endpoint{options.bind, 0}.to(&address);
    if (int code = uv_tcp_bind(&handle->tcp, reinterpret_cast<sockaddr*>(&address), 0)) return code;
  }
  options.to.to(&address);
  return uv_tcp_connect(request, &handle->tcp, reinterpret_cast<sockaddr*>(&address), &on_connected);
}

Error connect_failure(const ConnectOptions& options, int code) {
  std::string where = options.unix_path.empty() ? options.to.text() : options.unix_path;
  Errc kind = code == UV_ECONNREFUSED ? Errc::refused : code == UV_ETIMEDOUT ? Errc::timeout : Errc::io;
  std::string from = options.bind ? " from " + options.bind.text() : std::string();
  return fail(kind, "connect to " + where + from + ": " + uv_strerror(code));
}

}  // namespace

Task<Result<std::unique_ptr<Stream>>> connect_stream(Loop& loop, ConnectOptions options, Deadline deadline) {
  Event done(loop);
  HandleHold handle(UvStream::Handle::make(loop, options.unix_path.empty()));
  auto owned = std::make_unique<ConnectRequest>();
  owned->request.data = owned.get();
  owned->done = &done;
  if (int code = begin_connect(options, handle.handle, &owned->request)) co_return connect_failure(options, code);
  ConnectHold hold(owned.release());
  if (!co_await done.wait(deadline)) {
    std::string where = options.unix_path.empty() ? options.to.text() : options.unix_path;
    co_return fail(Errc::timeout, "connect to " + where + ": no answer in time");
  }
  if (hold.request->status != 0) co_return connect_failure(options, hold.request->status);
  auto stream = std::make_unique<UvStream>(loop, std::exchange(handle.handle, nullptr), options.unix_path);
  if (auto reading = stream->start_reading(); !reading) co_return reading.error();
  co_return std::unique_ptr<Stream>(std::move(stream));
}

Result<std::unique_ptr<Stream>> adopt_stream(Loop& loop, int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    close(fd);
    return fail(Errc::io, "adopt a socket: it is not a socket");
  }
  bool tcp = address.ss_family != AF_UNIX;
  auto* handle = UvStream::Handle::make(loop, tcp);
  int code = tcp ? uv_tcp_open(&handle->tcp, fd) : uv_pipe_open(&handle->pipe, fd);
  if (code != 0) {
    close(fd);
    handle->close();
    return fail(Errc::io, std::string("adopt a socket: ") + uv_strerror(code));
  }
  auto stream = std::make_unique<UvStream>(loop, handle);
  if (auto reading = stream->start_reading(); !reading) return reading.error();
  return std::unique_ptr<Stream>(std::move(stream));
}

}  // namespace veredus
