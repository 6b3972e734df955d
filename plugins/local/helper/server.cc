// Frames, children, pipes.
#include "server.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>

#include <cstdio>
#include <list>
#include <vector>

#include "fd.h"
#include "jobs.h"
#include "mailbox.h"

namespace local {

namespace {

constexpr size_t kHead = 8, kMostRequest = 1u << 20, kMostAnswer = 1u << 20;
constexpr time_t kPatience = 2;  // seconds in which children may end what they write

struct Child {
  uint32_t number;
  pid_t pid;
  Fd result;
  std::string answer;
};

uint32_t number_at(const char* octets) {
  uint32_t out = 0;
  for (int i = 0; i < 4; ++i) out = out << 8 | static_cast<unsigned char>(octets[i]);
  return out;
}

void put_number(std::string& out, uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift & 0xff);
}

// With the descriptor that comes with the first octet.
ssize_t receive(int socket, char* into, size_t size, Fd& with) {
  iovec piece{into, size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 4)] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (got <= 0) return got;
  for (cmsghdr* one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one)) {
    if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_RIGHTS) continue;
    for (size_t i = 0; i < (one->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(one) + i * sizeof(int), sizeof fd);
      with = Fd(fd);
    }
  }
  return got;
}

class Server {
 public:
  Server(const HelperOptions& options, int socket) : options_(options), socket_(socket) {}
  int run();

 private:
  bool read_exactly(char* into, size_t size, Fd& with);
  bool take_request();
  void start(uint32_t number, const Fields& request, Fd message);
  [[noreturn]] void work(const Fields& request, int message, int result, pid_t parent);
  bool turn(int patience_ms);
  void listen_to(Child& child);
  bool send_answer(uint32_t number, const std::string& text);
  bool ended(Child& child);

  const HelperOptions& options_;
  const int socket_;
  std::list<Child> children_;
  bool open_ = true;
};

bool Server::read_exactly(char* into, size_t size, Fd& with) {
  while (size > 0) {
    ssize_t got = receive(socket_, into, size, with);
    if (got < 0 && errno == EINTR && !g_asked_to_end) continue;
    if (got <= 0) return false;
    into += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

bool Server::take_request() {
  char head[kHead];
  Fd message, none;
  if (!read_exactly(head, kHead, message)) return false;
  size_t size = number_at(head);
  if (size < 4 || size - 4 > kMostRequest) return false;
  std::string octets(size - 4, '\0');
  if (!read_exactly(octets.data(), octets.size(), none)) return false;
  uint32_t number = number_at(head + 4);
  auto request = Fields::parse(octets);
  if (request) start(number, *request, std::move(message));
  Fields refusal;
  Report::of(451, 3, 0, "the request makes no sense").put(refusal);
  return request || send_answer(number, refusal.text());
}

void Server::work(const Fields& request, int message, int result, pid_t parent) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  std::string text = do_job(options_, request, message, parent).text();
  bool told = text.size() <= kMostAnswer && write_all(result, text);
  _exit(told ? 0 : EX_SOFTWARE);
}

void Server::start(uint32_t number, const Fields& request, Fd message) {
  int ends[2];
  pid_t parent = getpid(), pid = -1;
  if (pipe2(ends, O_CLOEXEC) == 0) {
    Fd reading(ends[0]), writing(ends[1]);
    pid = fork();
    if (pid == 0) {
      close(socket_);
      work(request, message.get(), writing.get(), parent);
    }
    if (pid > 0) children_.push_back({number, pid, std::move(reading), {}});
  }
  if (pid > 0) return;
  Fields failure;
  failure_of(errno, "starting a process").put(failure);
  open_ = send_answer(number, failure.text()) && open_;
}

bool Server::send_answer(uint32_t number, const std::string& text) {
  std::string frame;
  put_number(frame, static_cast<uint32_t>(text.size() + 4));
  put_number(frame, number);
  frame += text;
  for (std::string_view rest = frame; !rest.empty();) {
    ssize_t sent = send(socket_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    rest.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

// What a child could not say is not known; it is tried again.
bool Server::ended(Child& child) {
  int status = 0;
  while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    Fields failure;
    Report::of(451, 3, 0, "the process that delivered ended by itself").put(failure);
    child.answer = failure.text();
  }
  return send_answer(child.number, child.answer);
}

void Server::listen_to(Child& child) {
  char piece[16'384];
  ssize_t got = read(child.result.get(), piece, sizeof piece);
  if (got < 0 && errno == EINTR) return;
  if (got > 0 && child.answer.size() < kMostAnswer) child.answer.append(piece, static_cast<size_t>(got));
  if (got <= 0) child.result = Fd();
}

// False: there is nothing to wait for any more.
bool Server::turn(int patience_ms) {
  bool reads = open_ && !g_asked_to_end && children_.size() < static_cast<size_t>(options_.children);
  std::vector<pollfd> list{{reads ? socket_ : -1, POLLIN, 0}};
  for (Child& child : children_) list.push_back({child.result.get(), POLLIN, 0});
  if (!open_ && children_.empty()) return false;
  sigset_t none;
  sigemptyset(&none);
  timespec wait{patience_ms / 1000, patience_ms % 1000 * 1'000'000L};
  if (ppoll(list.data(), list.size(), patience_ms < 0 ? nullptr : &wait, &none) < 0) return errno == EINTR;
  size_t at = 1;
  for (auto child = children_.begin(); child != children_.end(); ++at) {
    if (list[at].revents != 0) listen_to(*child);
    if (child->result) {
      ++child;
      continue;
    }
    if (!ended(*child)) open_ = false;
    child = children_.erase(child);
  }
  if (list[0].revents != 0 && !take_request()) open_ = false;
  return true;
}

int Server::run() {
  while (open_ && !g_asked_to_end && turn(-1)) {
  }
  open_ = false;
  for (Child& child : children_) kill(child.pid, SIGTERM);  // whoever waits, gives up; whoever writes, ends it
  for (time_t until = time(nullptr) + kPatience; time(nullptr) <= until && turn(500);) {
  }
  return EX_OK;
}

void asked_to_end(int) { g_asked_to_end = 1; }

}  // namespace

int serve(const HelperOptions& options, int socket) {
  struct sigaction action {};
  action.sa_handler = asked_to_end;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  return Server(options, socket).run();
}

}  // namespace local
