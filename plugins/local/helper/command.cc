// Starting, feeding, listening, ending.
#include "command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>

#include <algorithm>
#include <optional>

#include "mailbox.h"

namespace local {

namespace {

constexpr size_t kMostOutput = 4'096;
constexpr std::string_view kHarmless = "!%+,-./0123456789:=@ABCDEFGHIJKLMNOPQRSTUVWXYZ^_abcdefghijklmnopqrstuvwxyz";

std::string masked(std::string_view text) {
  std::string out(text.substr(0, 1'000));
  for (char& c : out)
    if (kHarmless.find(c) == kHarmless.npos) c = '_';
  return out;
}

struct Meaning {
  int code;
  uint16_t smtp;
  uint8_t subject, detail;
  const char* text;
};

constexpr Meaning kMeanings[] = {
    {EX_USAGE, 550, 3, 0, "the command was called wrongly"},
    {EX_DATAERR, 550, 6, 0, "the command cannot use the message"},
    {EX_NOINPUT, 550, 3, 0, "the command misses its input"},
    {EX_NOUSER, 550, 1, 1, "the command knows no such user"},
    {EX_NOHOST, 550, 1, 2, "the command knows no such host"},
    {EX_UNAVAILABLE, 550, 3, 0, "the command is not available"},
    {EX_SOFTWARE, 550, 3, 0, "the command failed"},
    {EX_OSERR, 451, 3, 0, "the system failed the command"},
    {EX_OSFILE, 550, 3, 0, "a file of the system is missing"},
    {EX_CANTCREAT, 550, 2, 0, "the command cannot make its output"},
    {EX_IOERR, 451, 3, 0, "the command cannot read or write"},
    {EX_TEMPFAIL, 451, 3, 0, "the command wants it later"},
    {EX_PROTOCOL, 550, 5, 0, "the command met a bad answer"},
    {EX_NOPERM, 550, 7, 0, "the command was not allowed to"},
    {EX_CONFIG, 550, 3, 5, "the command is configured wrongly"},
    {126, 451, 3, 5, "the command cannot be executed"},
    {127, 451, 3, 5, "the command was not found"},
};

// "5.7.1 text" at the start of the output.
bool read_status(std::string_view& output, Report& out) {
  size_t at = 0;
  uint8_t parts[3] = {};
  for (int i = 0; i < 3; ++i) {
    size_t digits = 0;
    unsigned number = 0;
    for (; at < output.size() && output[at] >= '0' && output[at] <= '9' && digits < 3; ++at, ++digits)
      number = number * 10 + static_cast<unsigned>(output[at] - '0');
    if (digits == 0 || number > 255 || (i < 2 && (at >= output.size() || output[at++] != '.'))) return false;
    parts[i] = static_cast<uint8_t>(number);
  }
  bool ends = at == output.size() || output[at] == ' ' || output[at] == '\t' || output[at] == '\n' || output[at] == '\r';
  if (!ends || (parts[0] != 4 && parts[0] != 5)) return false;
  out = Report::of(parts[0] == 4 ? 451 : 550, parts[1], parts[2], out.text);
  output.remove_prefix(at);
  return true;
}

// A file without a name that holds the message as the command shall read it.
Fd standard_input(const Message& message) {
  Fd out(memfd_create("message", MFD_CLOEXEC));
  if (!out) return out;
  bool written = message.write(Message::Form::piped, [&](std::string_view octets) { return write_all(out.get(), octets); });
  if (!written || lseek(out.get(), 0, SEEK_SET) != 0) return Fd();
  return out;
}

[[noreturn]] void become_command(const std::string& command, const User& user, const Delivery& delivery, int input, int output) {
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0) _exit(EX_OSERR);
  close_range(3, ~0u, 0);
  if (chdir(user.home.c_str()) != 0 && chdir("/") != 0) _exit(EX_OSERR);
  std::vector<std::string> rows = command_environment(user, delivery);
  std::vector<char*> environment;
  for (std::string& row : rows) environment.push_back(row.data());
  environment.push_back(nullptr);
  std::string shell = "/bin/sh", flag = "-c", text = command;
  char* words[] = {shell.data(), flag.data(), text.data(), nullptr};
  execve("/bin/sh", words, environment.data());
  _exit(EX_OSERR);
}

int64_t now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

// Reads what is there; false: nobody writes any more.
bool listen_to(int pipe, std::string& output) {
  char piece[4'096];
  ssize_t got = read(pipe, piece, sizeof piece);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (output.size() < kMostOutput) output.append(piece, std::min(static_cast<size_t>(got), kMostOutput - output.size()));
  return got > 0;
}

struct Run {
  pid_t pid = -1;
  Fd process, output;
};

enum class End { exited, too_slow, stopped };

End watch(Run& run, int time_limit, std::string& printed) {
  const int64_t until = now_ms() + time_limit * 1000LL;
  bool open = true;
  for (;;) {
    if (g_asked_to_end) return End::stopped;
    int64_t left = until - now_ms();
    if (left <= 0) return End::too_slow;
    pollfd list[] = {{run.process.get(), POLLIN, 0}, {open ? run.output.get() : -1, POLLIN, 0}};
    if (poll(list, 2, static_cast<int>(std::min<int64_t>(left, 1'000))) < 0 && errno != EINTR) return End::stopped;
    if (list[1].revents != 0) open = listen_to(run.output.get(), printed);
    if (list[0].revents == 0) continue;
    while (open && printed.size() < kMostOutput && poll(&list[1], 1, 0) > 0 && list[1].revents != 0)
      open = listen_to(run.output.get(), printed);
    return End::exited;
  }
}

std::optional<Report> start(Run& run, const std::string& command, const User& user, const Delivery& delivery, const Message& message) {
  Fd input = standard_input(message);
  if (!input) return failure_of(errno, "preparing the message for the command");
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return failure_of(errno, "making a pipe");
  run.output = Fd(ends[0]);
  Fd writing(ends[1]);
  fcntl(run.output.get(), F_SETFL, O_NONBLOCK);
  run.pid = fork();
  if (run.pid < 0) return failure_of(errno, "starting the command");
  if (run.pid == 0) become_command(command, user, delivery, input.get(), writing.get());
  run.process = Fd(static_cast<int>(syscall(SYS_pidfd_open, run.pid, 0)));
  return std::nullopt;
}

}  // namespace

std::vector<std::string> command_environment(const User& user, const Delivery& delivery) {
  return {"PATH=/usr/bin:/bin",
          "LANG=C.UTF-8",
          "HOME=" + user.home,
          "SHELL=" + user.shell,
          "USER=" + user.name,
          "LOGNAME=" + user.name,
          "SENDER=" + masked(delivery.sender),
          "RECIPIENT=" + masked(delivery.recipient),
          "ORIGINAL_RECIPIENT=" + masked(delivery.original),
          "LOCAL=" + masked(delivery.local),
          "DOMAIN=" + masked(delivery.domain),
          "EXTENSION=" + masked(delivery.extension)};
}

Report judge_exit(int status, std::string_view output) {
  Report out = Report::of(550, 3, 0, "the command failed");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Report::of(250, 1, 5, "Delivered to the command");
  if (WIFSIGNALED(status)) out = Report::of(451, 3, 0, "the command was ended by signal " + std::to_string(WTERMSIG(status)));
  for (const Meaning& one : kMeanings)
    if (WIFEXITED(status) && WEXITSTATUS(status) == one.code) out = Report::of(one.smtp, one.subject, one.detail, one.text);
  if (WIFEXITED(status)) out.text += " (exit " + std::to_string(WEXITSTATUS(status)) + ")";
  (void)read_status(output, out);
  std::string said = one_line(output, 300);
  if (!said.empty()) out.text += ": " + said;
  return out;
}

Report run_command(const std::string& command, const User& user, const Delivery& delivery, const Message& message, int time_limit) {
  Run run;
  if (auto failed = start(run, command, user, delivery, message)) return *failed;
  std::string printed;
  End end = run.process ? watch(run, time_limit, printed) : End::stopped;
  if (end != End::exited) kill(-run.pid, SIGKILL), kill(run.pid, SIGKILL);
  int status = 0;
  while (waitpid(run.pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (end == End::too_slow) return Report::of(451, 3, 0, "the command took more than " + std::to_string(time_limit) + " s");
  if (end == End::stopped) return Report::of(451, 3, 2, "the helper ends; the command was stopped");
  return judge_exit(status, printed);
}

}  // namespace local
