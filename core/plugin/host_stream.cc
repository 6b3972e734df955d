// core.stream/1: client connections. One operation reads; a task of the connection writes; closing hands what waits to a last operation.
#include <veredus/stream.h>

#include <algorithm>

#include "loop/scope.h"
#include "net/stream.h"
#include "plugin/host_support.h"
#include "plugin/interfaces.h"
#include "plugin/stream_secure.h"
#include "plugin/stream_target.h"

namespace veredus {

namespace {

constexpr size_t kMost = 1'000, kMostWaiting = 16 << 20, kMostData = 64 * 1024;
constexpr uint32_t kLongestConnect = 60'000, kLongestIdle = 3'600'000;

struct Connection {
  Connection(Shard* s, const vrd_stream_events* e, void* c, Millis quiet)
      : shard(s), events(e), ctx(c), idle(quiet), more(s->services.loop), flowing(s->services.loop), writer(s->services.loop) {
    flowing.set();
  }
  Loop& loop() { return shard->services.loop; }

  Shard* shard;
  const vrd_stream_events* events;
  void* ctx;
  Millis idle;
  std::unique_ptr<Stream> stream;
  std::string out;      // not yet taken by the writer
  size_t waiting = 0;   // octets that were sent and not yet written
  Event more;           // something to write, or nothing any more
  bool closing = false;
  bool unanswered = false;  // something was sent, and nothing came since
  MonoTime sent_at{};
  Event flowing;        // not paused
  Scope writer;         // dies first
};

// Writes what is there until closing.
Task<void> write_out(Connection* connection) {
  for (;;) {
    co_await connection->more.wait(Deadline::never());  // for our own side
    connection->more.reset();
    while (!connection->out.empty()) {
      std::string piece = std::exchange(connection->out, {});
      size_t size = piece.size();
      Status written = co_await connection->stream->write(std::move(piece), Deadline::in(connection->loop(), connection->idle));
      connection->waiting -= size;
      if (written) continue;
      connection->stream->close();  // the reader is told
      co_return;
    }
    if (connection->closing) co_return;
  }
}

Task<Result<std::unique_ptr<Stream>>> connect(LoopServices& services, StreamTarget target, Deadline deadline) {
  ConnectOptions options;
  options.unix_path = target.path;
  if (!target.path.empty()) co_return co_await connect_stream(services.loop, options, deadline);
  auto addresses = co_await addresses_of(services, target.host, deadline);
  if (!addresses) co_return addresses.error();
  Error last = fail(Errc::not_found, "no address");
  for (const IpAddress& address : *addresses) {
    options.to = Endpoint{address, target.port};
    auto stream = co_await connect_stream(services.loop, options, deadline);
    if (stream && target.secure) stream = co_await secure_stream(services, std::move(*stream), target.host, deadline);
    if (stream) co_return std::move(*stream);
    last = stream.error();
  }
  co_return last;
}

Deadline quiet_until(Connection& connection) {
  return Deadline{(connection.unanswered ? connection.sent_at : connection.loop().now()) + connection.idle};
}

bool too_quiet(Connection& connection) {
  return connection.unanswered && connection.loop().now() >= connection.sent_at + connection.idle;
}

// One chunk, or the end: what is to be told of it. Waiting goes on when only time has passed.
Task<Result<size_t>> next_octets(Connection* connection) {
  for (;;) {
    co_await connection->flowing.wait(Deadline::never());  // paused by the plugin
    if (size_t kept = connection->stream->buffered().size(); kept > 0) co_return kept;  // came when it had just paused
    auto got = co_await connection->stream->fill(quiet_until(*connection));
    bool only_time = !got && got.error().code == Errc::timeout;
    if (only_time && !too_quiet(*connection)) continue;
    if (got && *got > 0 && !connection->flowing.is_set()) continue;
    co_return got;
  }
}

vrd_status end_status(const Result<size_t>& got) {
  if (got || got.error().code == Errc::closed) return VRD_E_CLOSED;
  return got.error().code == Errc::timeout ? VRD_E_TIMEOUT : VRD_E_IO;
}

// Tells all that is buffered, 64 KiB at a time; false: the plugin has closed.
bool tell_octets(Op& op, OpId id, Connection& connection) {
  connection.unanswered = false;
  while (!connection.stream->buffered().empty() && connection.flowing.is_set()) {
    std::string piece(connection.stream->buffered().substr(0, kMostData));
    connection.stream->consume(piece.size());
    bool goes_on = op.tell([&] {
      call_back(connection.shard, "stream data", [&] { connection.events->data(connection.ctx, id, str_of(piece)); });
    });
    if (!goes_on) return false;
  }
  return true;
}

OpTask run_stream(std::shared_ptr<Connection> connection, StreamTarget target, Millis patience) {
  Op& op = co_await CurrentOp();
  OpId id = op.id();
  op.attach(&connection);
  LoopServices& services = connection->shard->services;
  auto stream = co_await connect(services, std::move(target), Deadline::in(services.loop, patience));
  if (!stream) {
    vrd_status status = stream.error().code == Errc::timeout ? VRD_E_TIMEOUT : VRD_E_IO;
    op.release();
    call_back(connection->shard, "stream opened", [&] { connection->events->opened(connection->ctx, id, status); });
    co_return;
  }
  connection->stream = std::move(*stream);
  connection->writer.spawn(write_out(connection.get()));
  bool goes_on = op.tell([&] { call_back(connection->shard, "stream opened", [&] { connection->events->opened(connection->ctx, id, VRD_OK); }); });
  if (!goes_on) co_return;
  bool ended = false;
  Result<size_t> got = size_t{0};
  for (;;) {
    if (!connection->stream->buffered().empty() && connection->flowing.is_set() && !tell_octets(op, id, *connection)) co_return;
    got = co_await next_octets(connection.get());
    if (!got || (*got == 0 && ended)) break;
    if (*got > 0) continue;
    ended = true;
    if (!tell_octets(op, id, *connection)) co_return;
    bool stays = op.tell([&] { call_back(connection->shard, "stream data", [&] { connection->events->data(connection->ctx, id, str_of({})); }); });
    if (!stays) co_return;
    co_await connection->writer.idle(Deadline::in(services.loop, connection->idle));  // the plugin may still send
    break;
  }
  op.release();
  call_back(connection->shard, "stream closed", [&] { connection->events->closed(connection->ctx, id, end_status(got)); });
}

// Nobody hears of it any more; what was sent is still written.
OpTask finish(std::shared_ptr<Connection> connection) {
  Loop& loop = connection->loop();
  connection->closing = true;
  connection->more.set();
  co_await connection->writer.idle(Deadline::in(loop, connection->idle));
}

vrd_status open_stream(const vrd_host* host, const vrd_stream_request* request, const vrd_stream_events* events, void* ctx, vrd_op* stream) {
  Asking asking(host, "core.stream open", OpService::stream, kMost);
  if (!asking) return asking.status();
  if (!request || !VRD_HAS(vrd_stream_request, request, target) || !readable(request->target)) return VRD_E_INVALID;
  if (!events || !VRD_HAS(vrd_stream_events, events, closed) || !events->opened || !events->data || !events->closed) return VRD_E_INVALID;
  if (!within(request->timeout_ms, kLongestConnect) || !within(request->idle_ms, kLongestIdle)) return VRD_E_INVALID;
  auto target = parse_stream_target(view_of(request->target));
  if (!target) return status_of(target.error().code);
  auto connection = std::make_shared<Connection>(&asking.shard(), events, ctx, Millis(request->idle_ms));
  return asking.begin(run_stream(std::move(connection), std::move(*target), Millis(request->timeout_ms)), stream);
}

std::shared_ptr<Connection>* find(const vrd_host* host, std::string_view function, vrd_op stream) {
  const Instance& instance = Instance::of(host);
  Shard* shard = instance.check_loop(function) ? instance.here() : nullptr;
  Op* op = shard ? shard->ops.find(OpService::stream, stream) : nullptr;
  return op ? static_cast<std::shared_ptr<Connection>*>(op->attached()) : nullptr;
}

vrd_status send(const vrd_host* host, vrd_op stream, vrd_str octets) {
  const Instance& instance = Instance::of(host);
  if (!instance.check_loop("core.stream send")) return VRD_E_THREAD;
  Shard* shard = instance.here();
  if (!shard || !shard->ops.find(OpService::stream, stream)) return VRD_E_CLOSED;
  auto* found = find(host, "core.stream send", stream);
  if (!found || !(*found)->stream) return VRD_E_STATE;
  Connection& connection = **found;
  if (!readable(octets)) return VRD_E_INVALID;
  if (connection.writer.running() == 0) return VRD_E_CLOSED;
  if (octets.len > kMostWaiting - connection.waiting) return VRD_E_MEMORY;
  connection.out.append(view_of(octets));
  connection.waiting += octets.len;
  connection.unanswered = true;
  connection.sent_at = connection.loop().now();
  connection.more.set();
  return VRD_OK;
}

void pause(const vrd_host* host, vrd_op stream, int32_t on) {
  auto* found = find(host, "core.stream pause", stream);
  if (!found) return;
  if (on) (*found)->flowing.reset();
  else (*found)->flowing.set();
}

void close_stream(const vrd_host* host, vrd_op stream) {
  auto* found = find(host, "core.stream close", stream);
  std::shared_ptr<Connection> connection = found ? *found : nullptr;
  cancel_op(host, "core.stream close", OpService::stream, stream);
  if (!connection || !connection->stream || connection->shard->ops.stopped()) return;
  connection->shard->ops.start(OpService::stream, finish(std::move(connection)));
}

}  // namespace

const vrd_core_stream_1& core_stream() {
  static constexpr vrd_core_stream_1 table{VRD_SIZED(vrd_core_stream_1), 0, open_stream, send, pause, close_stream};
  return table;
}

}  // namespace veredus
