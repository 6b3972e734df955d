// Starting programs with other privileges, and looking after them.
#include "main/helper_processes.h"

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "log/events.h"
#include "main/helper_frames.h"

namespace veredus {

namespace {

constexpr Millis kFirstBackOff{200}, kLongestBackOff{30'000}, kPatience{3'000};
constexpr Seconds kStableAfter{60};

// Everything that the child needs, made before fork().
struct Launch {
  Identity identity;
  bool unprivileged;
  std::vector<char*> words;
  std::string name;
  const char* directory;
  pid_t parent;
  int socket;
  int problem;  // a pipe that closes on exec; what went wrong is written to it
};

Error os_failure(const std::string& doing, int number) { return fail(Errc::io, doing + ": " + std::strerror(number)); }

bool take_identity(const Identity& identity) {
  if (!identity.change) return true;
  bool grouped = identity.user.empty() ? setgroups(0, nullptr) == 0 : initgroups(identity.user.c_str(), identity.gid) == 0;
  return grouped && setgid(identity.gid) == 0 && setuid(identity.uid) == 0;
}

[[noreturn]] void give_up(const Launch& launch) {
  int number = errno;
  ssize_t told = write(launch.problem, &number, sizeof number);
  _exit(told == sizeof number ? EX_OSERR : EX_SOFTWARE);
}

void keep_descriptors(Launch& launch) {
  launch.problem = fcntl(launch.problem, F_DUPFD_CLOEXEC, HelperProcesses::kSocket + 1);
  int socket = fcntl(launch.socket, F_DUPFD_CLOEXEC, HelperProcesses::kSocket + 1);
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (launch.problem < 0 || socket < 0 || null < 0) give_up(launch);
  if (dup2(null, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 || dup2(socket, HelperProcesses::kSocket) < 0)
    give_up(launch);
  close_range(static_cast<unsigned>(HelperProcesses::kSocket + 1), ~0u, CLOSE_RANGE_CLOEXEC);
}

[[noreturn]] void become_helper(Launch launch) {
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  keep_descriptors(launch);
  if (!take_identity(launch.identity)) give_up(launch);
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // after the change of user, which clears it
  if (getppid() != launch.parent) _exit(EX_SOFTWARE);
  if (launch.unprivileged && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up(launch);
  umask(077);
  if (chdir(launch.directory) != 0) give_up(launch);
  std::string helper = "VEREDUS_HELPER=" + launch.name, socket = "VEREDUS_SOCKET=" + std::to_string(HelperProcesses::kSocket);
  std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", language = "LANG=C.UTF-8";
  char* environment[] = {helper.data(), socket.data(), path.data(), language.data(), nullptr};
  execve(launch.words[0], launch.words.data(), environment);
  give_up(launch);
}

// Ends when the program runs, or says why it does not.
Status wait_for_exec(int problem) {
  int number = 0;
  ssize_t count;
  while ((count = read(problem, &number, sizeof number)) < 0 && errno == EINTR) {
  }
  if (count == sizeof number) return os_failure("cannot start the program", number);
  return {};
}

}  // namespace

void HelperProcesses::configure(const std::vector<HelperSettings>& settings, const Identity& worker) {
  worker_ = worker;
  for (const HelperSettings& one : settings) helpers_.emplace_back().settings = one;
}

Result<Identity> HelperProcesses::identity_of(const HelperSettings& settings) const {
  if (getuid() != 0) return Identity{};
  Identity out = worker_;
  out.change = true;
  if (!settings.user.empty()) {
    const passwd* entry = getpwnam(settings.user.c_str());
    if (!entry) return fail(Errc::not_found, "there is no user '" + settings.user + "'");
    out.uid = entry->pw_uid;
    out.gid = entry->pw_gid;
    out.user = settings.user;
  }
  if (!settings.group.empty()) {
    const group* entry = getgrnam(settings.group.c_str());
    if (!entry) return fail(Errc::not_found, "there is no group '" + settings.group + "'");
    out.gid = entry->gr_gid;
    out.user.clear();
  }
  return out;
}

Result<UniqueFd> HelperProcesses::begin() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return os_failure("cannot make a socket pair", errno);
  channel_ = UniqueFd(ends[0]);
  UniqueFd workers_end(ends[1]);
  for (Helper& helper : helpers_) {
    if (helper.pid > 0) continue;  // it is being ended; reaped() sees to the rest
    helper.failures = 0;
    start(helper);
  }
  return workers_end;
}

void HelperProcesses::end() {
  channel_.reset();
  for (Helper& helper : helpers_) {
    helper.start_at = {};
    if (helper.pid <= 0 || helper.ending) continue;
    helper.ending = true;
    kill(helper.pid, SIGTERM);
    helper.kill_at = clock_.mono() + kPatience;
  }
}

void HelperProcesses::start(Helper& helper) {
  helper.start_at = {};
  Status launched = launch(helper);
  if (launched) {
    log_.write(events::kHelperStarted, {{"helper", helper.settings.name}, {"pid", helper.pid}});
    return;
  }
  later(helper);
  log_.write(events::kHelperFailed, {{"helper", helper.settings.name},
                                     {"reason", launched.error().text},
                                     {"in_ms", (helper.start_at - clock_.mono()).count()}});
}

Status HelperProcesses::launch(Helper& helper) {
  auto identity = identity_of(helper.settings);
  if (!identity) return identity.error();
  int ends[2], problem[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return os_failure("cannot make a socket pair", errno);
  UniqueFd theirs(ends[0]), workers(ends[1]);
  if (pipe2(problem, O_CLOEXEC) != 0) return os_failure("cannot make a pipe", errno);
  UniqueFd read_end(problem[0]), write_end(problem[1]);
  Launch launch{*identity, identity->change ? identity->uid != 0 : getuid() != 0, {}, helper.settings.name,
                helper.settings.directory.c_str(), getpid(), theirs.get(), write_end.get()};
  for (std::string& word : helper.settings.command) launch.words.push_back(word.data());
  launch.words.push_back(nullptr);
  pid_t pid = fork();
  if (pid < 0) return os_failure("cannot start a process", errno);
  if (pid == 0) become_helper(std::move(launch));
  write_end.reset();
  Status running = wait_for_exec(read_end.get());
  if (!running) return running;  // the child has ended, or is about to; nobody knows its number when it is reaped
  helper.pid = pid;
  helper.ending = false;
  helper.started = clock_.mono();
  auto sent = send_with(channel_.get(), helper.settings.name, workers.get());
  if (sent && *sent > 0) return {};
  kill(pid, SIGKILL);  // the worker is about to end, or takes nothing: the next start gives it another one
  return {};
}

void HelperProcesses::later(Helper& helper) {
  if (helper.started != MonoTime{} && clock_.mono() - helper.started > kStableAfter) helper.failures = 0;
  helper.started = {};
  helper.start_at = clock_.mono() + std::min<Millis>(kFirstBackOff * (1 << std::min(helper.failures, 8)), kLongestBackOff);
  ++helper.failures;
}

bool HelperProcesses::reaped(pid_t pid, int status) {
  auto found = std::find_if(helpers_.begin(), helpers_.end(), [&](const Helper& helper) { return helper.pid == pid; });
  if (found == helpers_.end()) return false;
  Helper& helper = *found;
  helper.pid = -1;
  helper.kill_at = {};
  bool asked = std::exchange(helper.ending, false);
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0, number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  if (!channel_) {
    log_.write(events::kHelperEnded, {{"helper", helper.settings.name}, {"code", code}, {"signal", number}});
    return true;
  }
  if (asked) helper.start_at = clock_.mono();  // of an earlier worker; this one waits for its own
  else later(helper);
  bool orderly = asked || (number == 0 && code == 0);  // its connection ended, and the worker's end is not known here yet
  log_.write(orderly ? events::kHelperEnded : events::kHelperCrashed,
             {{"helper", helper.settings.name}, {"code", code}, {"signal", number}, {"in_ms", (helper.start_at - clock_.mono()).count()}});
  return true;
}

bool HelperProcesses::running() const {
  return std::any_of(helpers_.begin(), helpers_.end(), [](const Helper& helper) { return helper.pid > 0; });
}

MonoTime HelperProcesses::next_due() const {
  MonoTime soonest = MonoTime::max();
  for (const Helper& helper : helpers_)
    for (MonoTime due : {helper.start_at, helper.kill_at})
      if (due != MonoTime{}) soonest = std::min(soonest, due);
  return soonest;
}

void HelperProcesses::tick() {
  MonoTime now = clock_.mono();
  for (Helper& helper : helpers_) {
    if (helper.kill_at != MonoTime{} && now >= helper.kill_at) {
      helper.kill_at = {};
      if (helper.pid > 0) kill(helper.pid, SIGKILL);
    }
    if (helper.start_at != MonoTime{} && now >= helper.start_at && channel_) start(helper);
  }
}

}  // namespace veredus
