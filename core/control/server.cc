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
constexpr size_t kMaxNames = 1000;
constexpr Seconds kRequestTime{10};

}  // namespace

ControlServer::ControlServer(ControlContext context, int listening_fd)
    : context_(std::move(context)),
      tasks_(context_.loop),
      listener_(context_.loop, listening_fd, [this](int fd, Endpoint) { accepted(fd); }) {
  context_.log.write(events::kControlStarted, {});
}

// Asking for a user's name may block where users come from a directory service, so each is asked for once.
std::string ControlServer::name_of_peer(int fd) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return "unknown";
  if (auto known = names_.find(peer.uid); known != names_.end()) return known->second;
  char buffer[4096];
  passwd entry{}, *found = nullptr;
  bool named = getpwuid_r(peer.uid, &entry, buffer, sizeof buffer, &found) == 0 && found;
  std::string name = named ? found->pw_name : "uid " + std::to_string(peer.uid);
  if (names_.size() < kMaxNames) names_[peer.uid] = name;
  return name;
}

void ControlServer::accepted(int fd) {
  std::string by = name_of_peer(fd);
  auto stream = adopt_stream(context_.loop, fd);
  if (!stream) return;
  if (tasks_.running() < kMaxConnections) return tasks_.spawn(serve(std::move(*stream), std::move(by)));
  std::string frames = encode_err("too many commands run at the same time\n") + encode_exit(75);
  std::string_view views[] = {frames};
  (void)(*stream)->try_write(views);
  context_.log.write(events::kControlRefused, {{"by", by}, {"reason", "too many connections"}});
}

Task<void> ControlServer::serve(std::unique_ptr<Stream> stream, std::string by) {
  Deadline deadline = Deadline::in(context_.loop, kRequestTime);
  Output output(context_.loop, *stream);
  size_t end = std::string_view::npos;
  for (size_t seen = 0; (end = stream->buffered().find('\n', seen)) == std::string_view::npos;) {
    seen = stream->buffered().size();
    if (seen > kMaxRequest) break;
    auto got = co_await stream->fill(deadline);
    if (!got || *got == 0) co_return;
  }
  int code = 64;
  if (end > kMaxRequest) {
    refuse(by, "the request is too long", output);
  } else {
    std::string line(stream->buffered().substr(0, end));
    stream->consume(end + 1);
    code = co_await carry_out(std::move(line), std::move(by), output);
  }
  auto sent = co_await output.flush();
  if (sent) (void)co_await stream->write(encode_exit(code), Deadline::in(context_.loop, kRequestTime));
  stream->shutdown();
}

int ControlServer::refuse(const std::string& by, const std::string& reason, Output& output) {
  context_.log.write(events::kControlRefused, {{"by", by}, {"reason", reason}});
  output.error(reason + "\n");
  return 64;
}

Task<int> ControlServer::carry_out(std::string line, std::string by, Output& output) {
  auto request = decode_request(line);
  if (!request) co_return refuse(by, request.error().text, output);
  const CommandDef* command = find_command(request->words);
  if (!command && context_.plugin_command) {
    auto run = context_.plugin_command(request->words, output);
    if (run) context_.log.write(events::kControlCommand, {{"command", "plugin"}, {"by", by}});
    if (run) co_return co_await std::move(*run);
  }
  if (!command) co_return refuse(by, unknown_command(request->words) + "; 'veredus help' lists them", output);
  auto call = parse_call(*command, request->words);
  if (!call) {
    refuse(by, call.error().text, output);
    output.error("usage: veredus " + std::string(command->name) + " " + std::string(command->usage) + "\n");
    co_return 64;
  }
  call->json = request->json;
  call->by = by;
  context_.log.write(events::kControlCommand, {{"command", command->name}, {"by", by}});
  co_return co_await command->run(context_, std::move(*call), output);
}

}  // namespace veredus
