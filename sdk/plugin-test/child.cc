// fork, a pipe, a time limit.
#include "child.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>

namespace veredus::ptest {

namespace {

constexpr char kEnd = '.';

int left_ms(std::chrono::steady_clock::time_point until) {
  auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<int64_t>(0, left.count()));
}

// All that the child says until it closes the pipe; false: time is up.
bool read_all(int fd, int limit_seconds, std::string& out) {
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds(limit_seconds);
  char buffer[4096];
  while (true) {
    pollfd waits{fd, POLLIN, 0};
    int ready = poll(&waits, 1, left_ms(until));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    ssize_t got = read(fd, buffer, sizeof buffer);
    if (got <= 0) return true;
    out.append(buffer, static_cast<size_t>(got));
  }
}

std::vector<Line> split_lines(const std::string& text) {
  std::vector<Line> out;
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\0', at);
    if (end == text.npos) break;
    if (end > at) out.push_back({text[at], text.substr(at + 1, end - at - 1)});
    at = end + 1;
  }
  return out;
}

std::string ending(int status, bool said_end) {
  if (WIFSIGNALED(status)) {
    const char* name = sigabbrev_np(WTERMSIG(status));
    return std::string("SIG") + (name ? name : std::to_string(WTERMSIG(status)).c_str());
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && said_end) return {};
  return "the process ended with exit code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

void Reporter::say(char kind, std::string_view text) {
  std::string line(1, kind);
  for (char c : text) line += c == '\0' ? ' ' : c;
  line += '\0';
  for (size_t at = 0; at < line.size();) {
    ssize_t put = write(fd_, line.data() + at, line.size() - at);
    if (put <= 0) return;
    at += static_cast<size_t>(put);
  }
}

// No destructors: late threads of the plugin may still use what the host gave them.
void end_child(Reporter& out) {
  out.say(kEnd, "");
  _exit(0);
}

Ended in_child(const std::function<void(Reporter&)>& work, int limit_seconds) {
  int pipes[2];
  if (pipe(pipes) != 0) return {{}, std::string("pipe: ") + std::strerror(errno)};
  pid_t child = fork();
  if (child < 0) return {{}, std::string("fork: ") + std::strerror(errno)};
  if (child == 0) {
    close(pipes[0]);
    setpgid(0, 0);
    Reporter reporter(pipes[1]);
    work(reporter);
    end_child(reporter);
  }
  close(pipes[1]);
  Ended out;
  std::string text;
  bool in_time = read_all(pipes[0], limit_seconds, text);
  if (!in_time) kill(child, SIGKILL);
  close(pipes[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  out.lines = split_lines(text);
  bool said_end = !out.lines.empty() && out.lines.back().kind == kEnd;
  out.problem = in_time ? ending(status, said_end) : "no end within " + std::to_string(limit_seconds) + " s";
  return out;
}

}  // namespace veredus::ptest
