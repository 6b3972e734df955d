// The submission socket: accept, find out who it is, serve.
#include "main/local_door.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "log/events.h"

namespace veredus {

namespace {

constexpr uint32_t kConnectionsOfUser = 100;
constexpr size_t kMostNames = 1000;
constexpr size_t kLongestGroup = 1024;

// The control group names the service or the session of the process; readable for everybody, as long as the process lives.
std::string control_group_of(int pid) {
  int fd = open(("/proc/" + std::to_string(pid) + "/cgroup").c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return {};
  char text[kLongestGroup];
  ssize_t count = read(fd, text, sizeof text);
  close(fd);
  std::string_view all(text, count > 0 ? static_cast<size_t>(count) : 0);
  std::string_view line = all.substr(0, all.find('\n'));
  size_t path = line.find('/');
  return path == line.npos ? std::string() : printable(line.substr(path), kLongestGroup);
}

}  // namespace

std::string UserNames::of(uint32_t uid) {
  if (auto known = names_.find(uid); known != names_.end()) return known->second;
  char buffer[4096];
  passwd entry{}, *found = nullptr;
  bool named = getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) == 0 && found;
  std::string name = named ? found->pw_name : "uid-" + std::to_string(uid);
  if (names_.size() < kMostNames) names_[uid] = name;
  return name;
}

LocalDoor::LocalDoor(SessionContext& context, Scope& sessions, int listening_fd)
    : context_(context), sessions_(sessions), listener_(std::make_unique<Listener>(context.loop, listening_fd, [this](int fd, Endpoint) { accepted(fd); })) {
  context_.log.write(events::kListenerOpened, {{"address", context_.settings->submit}});
}

void LocalDoor::accepted(int fd) {
  ucred who{};
  socklen_t length = sizeof who;
  bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) == 0;
  if (!known || open_[who.uid] >= kConnectionsOfUser) {
    constexpr std::string_view kFull = "421 4.7.0 Too many connections of this user\r\n";
    bool told = send(fd, kFull.data(), kFull.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
    close(fd);
    context_.log.write(events::kSubmissionRefused, {{"uid", who.uid}, {"pid", who.pid}, {"told", told}});
    return;
  }
  LocalPeer peer;
  peer.uid = who.uid;
  peer.pid = who.pid;
  peer.user = names_.of(who.uid);
  peer.cgroup = control_group_of(who.pid);
  auto stream = adopt_stream(context_.loop, fd);
  if (stream) sessions_.spawn(serve(std::move(*stream), std::move(peer)));
}

Task<void> LocalDoor::serve(std::unique_ptr<Stream> stream, LocalPeer peer) {
  struct Place {
    explicit Place(uint32_t& count) : count(count) { ++count; }
    ~Place() { --count; }
    Place(const Place&) = delete;
    uint32_t& count;
  } place(open_[peer.uid]);
  co_await serve_local(context_, std::move(stream), std::move(peer));
}

}  // namespace veredus
