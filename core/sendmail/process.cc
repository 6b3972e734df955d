// System calls around the process.
#include "sendmail/process.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/text.h"
#include "mail/headers.h"

namespace veredus {

namespace {

constexpr int kAsked[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGUSR1, SIGUSR2, SIGTSTP};
constexpr size_t kLongestNote = 200;

// The first part of GECOS; '&' stands for the login with a capital letter.
std::string full_name(std::string_view gecos, std::string_view login) {
  std::string out;
  for (char c : gecos.substr(0, gecos.find(','))) {
    if (c != '&') {
      out += c;
      continue;
    }
    std::string name(login);
    if (!name.empty() && name[0] >= 'a' && name[0] <= 'z') name[0] = static_cast<char>(name[0] - 32);
    out += name;
  }
  return out;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::string(value, strnlen(value, kLongestNote)) : std::string();
}

std::string caller() {
  int fd = open(("/proc/" + std::to_string(getppid()) + "/cmdline").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  char text[kLongestNote];
  ssize_t count = read(fd, text, sizeof text);
  close(fd);
  std::string out(text, count > 0 ? static_cast<size_t>(count) : 0);
  for (char& c : out)
    if (c == '\0') c = ' ';
  return std::string(trimmed(out));
}

[[noreturn]] void become(const std::string& path, const std::vector<std::string>& words, int in, int out) {
  if (in >= 0) dup2(in, STDIN_FILENO);
  if (out >= 0) dup2(out, STDOUT_FILENO);
  std::vector<char*> argv{const_cast<char*>(path.c_str())};
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execv(path.c_str(), argv.data());
  _exit(127);
}

// Both directions at once, so that neither side waits for the other.
void exchange(int to, std::string_view input, int from, std::string& output) {
  while (to >= 0 || from >= 0) {
    pollfd waits[] = {{to, POLLOUT, 0}, {from, POLLIN, 0}};
    if (poll(waits, 2, -1) < 0 && errno != EINTR) break;
    if (to >= 0 && waits[0].revents != 0) {
      ssize_t taken = input.empty() ? -1 : write(to, input.data(), std::min<size_t>(input.size(), 65536));
      if (taken > 0) input.remove_prefix(static_cast<size_t>(taken));
      else if (errno != EINTR || input.empty()) input = {};
      if (input.empty()) close(std::exchange(to, -1));
    }
    if (from >= 0 && waits[1].revents != 0) {
      char piece[65536];
      ssize_t got = read(from, piece, sizeof piece);
      if (got > 0) output.append(piece, static_cast<size_t>(got));
      else if (got == 0 || errno != EINTR) close(std::exchange(from, -1));
    }
  }
}

}  // namespace

void tidy_process() {
  int fd;
  while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= 2) continue;
  if (syscall(SYS_close_range, 3U, ~0U, 0U) != 0)
    for (fd = 3; fd < 1024; ++fd) close(fd);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
}

void block_signals() {
  sigset_t asked;
  sigemptyset(&asked);
  for (int number : kAsked) sigaddset(&asked, number);
  sigprocmask(SIG_BLOCK, &asked, nullptr);
}

SubmittingUser submitting_user() {
  SubmittingUser out;
  const passwd* entry = getpwuid(getuid());
  out.login = entry && entry->pw_name && *entry->pw_name ? entry->pw_name : "uid-" + std::to_string(getuid());
  out.name = environment("NAME");
  if (out.name.empty() && entry && entry->pw_gecos) out.name = full_name(entry->pw_gecos, out.login);
  return out;
}

std::string working_directory() {
  char path[4096];
  return getcwd(path, sizeof path) ? std::string(path) : std::string();
}

std::string script_that_calls(std::string_view header) {
  auto block = HeaderBlock::parse(header);
  const HeaderField* php = block ? block->find("X-PHP-Originating-Script") : nullptr;
  if (php) return unfolded(block->value(*php)).substr(0, kLongestNote);
  for (const char* name : {"SCRIPT_FILENAME", "SCRIPT_NAME"})
    if (std::string script = environment(name); !script.empty()) return script;
  return caller();
}

Ran run_program(const std::string& path, const std::vector<std::string>& words, const std::string* input, bool capture) {
  Ran out;
  int to[2] = {-1, -1}, from[2] = {-1, -1};
  bool ready = (!input || pipe2(to, O_CLOEXEC) == 0) && (!capture || pipe2(from, O_CLOEXEC) == 0);
  pid_t pid = ready ? fork() : -1;
  if (pid == 0) become(path, words, to[0], from[1]);
  for (int fd : {to[0], from[1]})
    if (fd >= 0) close(fd);
  if (pid > 0) {
    exchange(to[1], input ? std::string_view(*input) : std::string_view(), from[0], out.output);
  } else {
    for (int fd : {to[1], from[0]})
      if (fd >= 0) close(fd);
    return out;
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return out;
  out.code = WIFEXITED(status) ? WEXITSTATUS(status) : EX_TEMPFAIL;
  return out;
}

std::string own_path() {
  char path[4096];
  ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : std::string();
}

// Never relative to the directory we are in: that is the caller's choice.
std::string beside_own(const std::string& name) {
  std::string here = own_path();
  if (!here.ends_with("/core/main/veredus")) return {};
  std::string path = here.substr(0, here.rfind('/') + 1) + name;
  return access(path.c_str(), X_OK) == 0 ? path : std::string();
}

std::string drop_program() {
  if (const char* given = secure_getenv("VEREDUS_DROP")) return given;
  std::string built = beside_own("../drop/veredus-drop");
  return built.empty() ? VEREDUS_DROP_PROGRAM : built;
}

}  // namespace veredus
