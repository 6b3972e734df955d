// The control socket: accept, read one request, run it, say how it ended.
#include "control/server.h"

#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "control/protocol.h"
#include "log/events.h"

namespace veredus {

namespace {

constexpr size_t kMaxConnections = 200;

std::string name_of_peer(int fd) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return "unknown";
  char buffer[4096];
  passwd entry{}, *found = nullptr;
  if (getpwuid_r(peer.uid, &entry, buffer, sizeof buffer, &found) == 0 && found) return found->pw_name;
  return "uid " + std::to_string(peer.uid);
}

}  // namespace

struct ControlServer::Socket {
  uv_pipe_t pipe{};
  ControlServer* server;
};

ControlServer::ControlServer(ControlContext context, int listening_fd)
    : context_(std::move(context)), tasks_(context_.loop), socket_(new Socket) {
  socket_->server = this;
  socket_->pipe.data = socket_;
  uv_pipe_init(context_.loop.uv(), &socket_->pipe, 0);
  uv_pipe_open(&socket_->pipe, listening_fd);
  uv_listen(reinterpret_cast<uv_stream_t*>(&socket_->pipe), 64, &ControlServer::on_connection);
  context_.log.write(events::kControlStarted, {});
}

ControlServer::~ControlServer() {
  tasks_.cancel();
  uv_close(reinterpret_cast<uv_handle_t*>(&socket_->pipe), [](uv_handle_t* h) { delete static_cast<Socket*>(h->data); });
}

void ControlServer::on_connection(uv_stream_t* handle, int status) {
  auto* server = static_cast<Socket*>(handle->data)->server;
  uv_os_fd_t listening = -1;
  if (status < 0 || uv_fileno(reinterpret_cast<uv_handle_t*>(handle), &listening) != 0) return;
  // libuv's own accept would make a handle of its kind; a stream of ours is made from the descriptor.
  uv_pipe_t* accepted = new uv_pipe_t;
  uv_pipe_init(handle->loop, accepted, 0);
  int fd = -1;
  if (uv_accept(handle, reinterpret_cast<uv_stream_t*>(accepted)) == 0) {
    uv_os_fd_t theirs = -1;
    uv_fileno(reinterpret_cast<uv_handle_t*>(accepted), &theirs);
    fd = dup(theirs);
  }
  uv_close(reinterpret_cast<uv_handle_t*>(accepted), [](uv_handle_t* h) { delete reinterpret_cast<uv_pipe_t*>(h); });
  if (fd < 0) return;
  std::string by = name_of_peer(fd);
  auto stream = adopt_stream(server->context_.loop, fd);
  if (!stream || server->tasks_.running() >= kMaxConnections) return;
  server->tasks_.spawn(server->serve(std::move(*stream), std::move(by)));
}

Task<void> ControlServer::serve(std::unique_ptr<Stream> stream, std::string by) {
  Deadline deadline = Deadline::in(context_.loop, Seconds(10));
  while (stream->buffered().find('\n') == std::string_view::npos) {
    auto got = co_await stream->fill(deadline);
    if (!got || *got == 0 || stream->buffered().size() > kMaxRequest) co_return;
  }
  std::string line(stream->buffered().substr(0, stream->buffered().find('\n')));
  stream->consume(line.size() + 1);
  Output output(context_.loop, *stream);
  int code = co_await carry_out(std::move(line), std::move(by), output);
  auto sent = co_await output.flush();
  if (sent) (void)co_await stream->write(encode_exit(code), Deadline::in(context_.loop, Seconds(10)));
  stream->shutdown();
}

Task<int> ControlServer::carry_out(std::string line, std::string by, Output& output) {
  auto request = decode_request(line);
  if (!request) {
    output.error(request.error().text + "\n");
    co_return 64;
  }
  const CommandDef* command = find_command(request->words);
  if (!command) {
    output.error("unknown command; 'veredus help' lists them\n");
    co_return 64;
  }
  auto call = parse_call(*command, request->words);
  if (!call) {
    output.error(call.error().text + "\nusage: veredus " + std::string(command->name) + " " + std::string(command->usage) + "\n");
    co_return 64;
  }
  call->json = request->json;
  call->by = by;
  context_.log.write(events::kControlCommand, {{"command", command->name}, {"by", by}});
  co_return co_await command->run(context_, std::move(*call), output);
}

}  // namespace veredus
