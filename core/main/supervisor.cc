// The supervisor's life: prepare, start the worker, watch it.
#include "main/supervisor.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "log/events.h"
#include "plugin/prepare.h"
#include "main/activation.h"
#include "net/listener.h"

namespace veredus {

namespace {

constexpr Millis kFirstBackOff{200};
constexpr Millis kLongestBackOff{30'000};
constexpr Seconds kStableAfter{60};
constexpr Seconds kKillMargin{5};
constexpr rlim_t kSpareDescriptors = 256;
constexpr const char* kDropGroup = "veredus-drop";
constexpr int kBindTries = 20;
constexpr Millis kBindPause{50};

Error os_failure(const std::string& doing) { return fail(Errc::io, doing + ": " + std::strerror(errno)); }

Status make_directory(const std::string& path, mode_t mode, bool change_user, uid_t uid, gid_t gid) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
    if (mkdir(path.substr(0, slash).c_str(), 0755) != 0 && errno != EEXIST) return os_failure("cannot create " + path.substr(0, slash));
  bool made = mkdir(path.c_str(), mode) == 0;
  if (!made && errno != EEXIST) return os_failure("cannot create " + path);
  if (made && chmod(path.c_str(), mode) != 0) return os_failure("cannot create " + path);  // whatever the umask is
  if (made && change_user && chown(path.c_str(), uid, gid) != 0) return os_failure("cannot give " + path + " to the worker's user");
  return {};
}

// A daemon that was killed a moment ago may still be dying; one that lives keeps its sockets for longer than this.
template <typename F>
Result<int> patiently(F bind) {
  for (int tries = 0;; ++tries) {
    Result<int> fd = bind();
    if (fd || fd.error().code != Errc::busy || tries == kBindTries) return fd;
    std::this_thread::sleep_for(kBindPause);
  }
}

std::string parent_of(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Supervisor::Supervisor(std::string conf_dir) : conf_dir_(std::move(conf_dir)), sink_(STDERR_FILENO, clock_), log_(clock_, sink_) {}

int Supervisor::run() {
  signal(SIGPIPE, SIG_IGN);
  if (int code = prepare()) {
    log_.flush();
    return code;
  }
  auto started = start_worker();
  if (!started) {
    log_.write(events::kWorkerFailed, {{"reason", started.error().text}});
    return EX_OSERR;
  }
  return watch();
}

int Supervisor::prepare() {
  auto config = load_config(conf_dir_, options_with_plugins(Catalogue::standard()));
  if (!config) {
    std::string text = config.error_text();
    if (write(STDERR_FILENO, text.data(), text.size()) < 0) return EX_IOERR;
    return EX_CONFIG;
  }
  settings_ = config.value().settings;
  for (const ConfigWarning& warning : config.value().warnings) log_.write(events::kConfigWarning, {{"text", warning.full()}});
  Status (Supervisor::*steps[])() = {&Supervisor::find_user, &Supervisor::make_directories, &Supervisor::open_sockets};
  for (auto step : steps) {
    auto done = (this->*step)();
    if (done) continue;
    log_.write(events::kSupervisorListenFailed, {{"reason", done.error().text}});
    return done.error().code == Errc::not_found ? EX_NOUSER : EX_OSERR;
  }
  raise_file_limit();
  helpers_.configure(settings_->helpers, Identity{uid_, gid_, change_user_, change_user_ ? settings_->user : ""});
  keys_.know(*settings_);
  if (auto made = board_.make(); !made) log_.write(events::kWorkerFailed, {{"reason", made.error().text}});
  log_.write(events::kSupervisorStarted, {{"conf", conf_dir_}, {"listeners", settings_->listeners.size()}});
  return 0;
}

Status Supervisor::find_user() {
  if (getuid() != 0) return {};
  if (settings_->user.empty()) {
    log_.write(events::kSupervisorRootUser, {{"remedy", "set core: { user: veredus }"}});
    return {};
  }
  const passwd* entry = getpwnam(settings_->user.c_str());
  if (!entry) return fail(Errc::not_found, "core: user: there is no user '" + settings_->user + "'");
  uid_ = entry->pw_uid;
  gid_ = entry->pw_gid;
  change_user_ = uid_ != 0;
  return {};
}

Status Supervisor::make_directories() {
  struct {
    std::string path;
    mode_t mode;
  } wanted[] = {{settings_->spool.path, 0711}, {settings_->state, 0750}, {parent_of(settings_->control), 0755}, {parent_of(settings_->submit), 0755}};
  for (const auto& one : wanted)
    if (auto made = make_directory(one.path, one.mode, change_user_, uid_, gid_); !made) return made;
  return make_drop_directory();
}

// Its group is that of veredus-drop, where the system has one: members may put files there, and nobody but the worker may see them. The
// directory of the spool above it shows nothing: its files are the worker's alone.
Status Supervisor::make_drop_directory() {
  const group* entry = getuid() == 0 ? getgrnam(kDropGroup) : nullptr;
  bool is_new = mkdir(settings_->drop.c_str(), 0700) == 0;
  if (!is_new && errno == EEXIST) return {};
  if (!is_new) return make_directory(settings_->drop, 0700, change_user_, uid_, gid_);
  uid_t owner = change_user_ ? uid_ : getuid();
  gid_t group_id = entry ? entry->gr_gid : change_user_ ? gid_ : getgid();
  bool given = chown(settings_->drop.c_str(), owner, group_id) == 0 && chmod(settings_->drop.c_str(), entry ? 01730 : 0700) == 0;
  return given ? Status() : os_failure("cannot prepare " + settings_->drop);
}

Status Supervisor::open_sockets() {
  std::vector<ActivatedSocket> activated = take_activated_sockets();
  for (const ListenerSettings& listener : settings_->listeners) {
    auto given = std::find_if(activated.begin(), activated.end(), [&](const ActivatedSocket& one) { return one.address == listener.address; });
    if (given != activated.end()) {
      handed_.listeners.push_back(given->fd);
      activated.erase(given);
      continue;
    }
    auto fd = patiently([&] { return bind_listener(listener.address); });
    if (!fd) return fd.error();
    handed_.listeners.push_back(*fd);
  }
  for (const ActivatedSocket& unwanted : activated) {
    log_.write(events::kSupervisorSocketUnused, {{"address", unwanted.address.text()}, {"remedy", "add a listener with this address"}});
    close(unwanted.fd);
  }
  return open_local_sockets();
}

Status Supervisor::open_local_sockets() {
  unsigned mode = static_cast<unsigned>(std::strtoul(settings_->control_mode.c_str(), nullptr, 8));
  auto control = patiently([&] { return bind_unix(settings_->control, mode); });
  if (!control) return control.error();
  handed_.control = *control;
  if (change_user_ && chown(settings_->control.c_str(), uid_, gid_) != 0) return os_failure("cannot give the control socket away");
  auto submit = patiently([&] { return bind_unix(settings_->submit, 0666); });
  if (!submit) return submit.error();
  handed_.submit = *submit;
  return {};
}

void Supervisor::raise_file_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  rlim_t wanted = settings_->limits.connections + settings_->outbound.connections + kSpareDescriptors;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  if (getuid() == 0) limit.rlim_cur = limit.rlim_max = std::max(limit.rlim_max, wanted);
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
    log_.write(events::kSupervisorFileLimit, {{"wanted", wanted}, {"have", limit.rlim_cur}});
}

Status Supervisor::start_worker() {
  int status[2], life[2];
  if (pipe2(status, O_CLOEXEC) != 0) return os_failure("cannot make a pipe");
  if (pipe2(life, O_CLOEXEC) != 0) return os_failure("cannot make a pipe");
  auto helpers = helpers_.any() ? helpers_.begin() : Result<UniqueFd>(UniqueFd());
  if (!helpers) return helpers.error();
  auto keys = change_user_ ? keys_.begin() : Result<UniqueFd>(UniqueFd());
  if (!keys) return keys.error();
  pid_t pid = fork();
  if (pid < 0) return os_failure("cannot start the worker");
  if (pid == 0) become_worker(status[1], life[0], helpers->get(), keys->get());
  close(status[1]);
  close(life[0]);
  worker_ = pid;
  status_read_ = status[0];
  life_write_ = life[1];
  worker_started_ = clock_.mono();
  restart_at_ = {};
  log_.write(events::kWorkerStarted, {{"pid", pid}});
  return {};
}

// In the child. Only descriptors that the worker needs stay open across exec.
void Supervisor::become_worker(int status_fd, int life_fd, int helpers_fd, int keys_fd) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  HandedDescriptors handed = handed_;
  handed.status = status_fd;
  handed.life = life_fd;
  handed.helpers = helpers_fd;
  handed.keys = keys_fd;
  for (int fd : handed.listeners) fcntl(fd, F_SETFD, 0);
  handed.board = board_.fd();
  for (int fd : {handed.control, handed.submit, handed.status, handed.life, handed.board, handed.helpers, handed.keys})
    if (fd >= 0) fcntl(fd, F_SETFD, 0);
  if (change_user_ && (initgroups(settings_->user.c_str(), gid_) != 0 || setgid(gid_) != 0 || setuid(uid_) != 0)) _exit(EX_NOPERM);
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // changing the user clears it
  setenv(kSuspectsVariable, history_.suspects().c_str(), 1);
  setenv(kDescriptorsVariable, encode_descriptors(handed).c_str(), 1);
  execl("/proc/self/exe", "veredusd", "--worker", "--conf", conf_dir_.c_str(), static_cast<char*>(nullptr));
  _exit(EX_OSERR);
}

void Supervisor::notify(const std::string& state) {
  if (sd_notify(0, state.c_str()) < 0) log_.write(events::kSupervisorNotifyFailed, {{"state", state}});
}

int Supervisor::poll_patience() const {
  MonoTime soonest = helpers_.next_due();
  if (restart_at_ != MonoTime{}) soonest = std::min(soonest, restart_at_);
  if (kill_at_ != MonoTime{}) soonest = std::min(soonest, kill_at_);
  if (soonest == MonoTime::max()) return -1;
  return static_cast<int>(std::max<int64_t>(0, (soonest - clock_.mono()).count()));
}

int Supervisor::watch() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGQUIT}) sigaddset(&signals, number);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  reap();
  while (worker_ > 0 || !stopping_ || helpers_.running()) {
    log_.flush();
    pollfd waits[] = {{signal_fd_, POLLIN, 0}, {status_read_, POLLIN, 0}, {keys_.fd(), POLLIN, 0}};  // poll passes over what is -1
    poll(waits, 3, poll_patience());
    signalfd_siginfo info{};
    while (read(signal_fd_, &info, sizeof info) == sizeof info) handle_signal(static_cast<int>(info.ssi_signo));
    if (status_read_ >= 0 && waits[1].revents) read_status();
    if (keys_.fd() >= 0 && waits[2].revents) keys_.serve();
    if (restart_at_ != MonoTime{} && clock_.mono() >= restart_at_ && !stopping_) (void)start_worker();
    if (kill_at_ != MonoTime{} && clock_.mono() >= kill_at_ && worker_ > 0 && !killed_) killed_ = kill(worker_, SIGKILL) == 0;
    helpers_.tick();
    if (exit_code_ != 0 && worker_ <= 0 && !helpers_.running()) break;
  }
  unlink(settings_->control.c_str());
  unlink(settings_->submit.c_str());
  log_.write(events::kSupervisorStopped, {});
  log_.flush();
  return exit_code_;
}

void Supervisor::handle_signal(int number) {
  if (number == SIGCHLD) return reap();
  if (number == SIGHUP) {
    if (worker_ <= 0 || stopping_) return;
    notify("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(clock_.mono().time_since_epoch() / std::chrono::microseconds(1)));
    kill(worker_, SIGHUP);
    return;
  }
  if (stopping_) return;
  stopping_ = true;
  log_.write(events::kSupervisorStopping, {{"signal", number == SIGINT ? "INT" : "TERM"}});
  notify("STOPPING=1");
  if (worker_ > 0) kill(worker_, SIGTERM);
  kill_at_ = clock_.mono() + settings_->drain + kKillMargin;
}

void Supervisor::read_status() {
  char text[64];
  ssize_t count = read(status_read_, text, sizeof text);
  std::string_view said(text, count > 0 ? static_cast<size_t>(count) : 0);
  if (said.find("ready") != std::string_view::npos) ever_ready_ = true;
  if (!said.empty() && ever_ready_ && !stopping_) notify("READY=1\nSTATUS=accepting mail");
  if (count <= 0) {
    close(status_read_);
    status_read_ = -1;
  }
}

void Supervisor::reap() {
  int status = 0;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
    if (pid == worker_) worker_ended(status);
    else helpers_.reaped(pid, status);
}

// A worker that somebody killed is not the message's fault.
void Supervisor::note_crash(int number) {
  std::vector<MessageId> in_hand = board_.take();
  if (number != 0 && number != SIGKILL && number != SIGTERM) history_.add(in_hand);
}

void Supervisor::worker_ended(int status) {
  worker_ = -1;
  if (status_read_ >= 0) close(std::exchange(status_read_, -1));
  close(std::exchange(life_write_, -1));
  helpers_.end();
  keys_.end();
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (stopping_) return;
  bool crashed = WIFSIGNALED(status) || ever_ready_;
  if (!crashed) {  // it never worked and said why; trying again would not help
    exit_code_ = code == 0 ? EX_SOFTWARE : code;
    return;
  }
  note_crash(WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  if (clock_.mono() - worker_started_ > kStableAfter) crashes_ = 0;
  Millis wait = std::min<Millis>(kFirstBackOff * (1 << std::min(crashes_, 8)), kLongestBackOff);
  ++crashes_;
  restart_at_ = clock_.mono() + wait;
  log_.write(events::kWorkerCrashed, {{"code", code}, {"signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0}});
  log_.write(events::kWorkerRestarting, {{"in_ms", wait.count()}, {"crashes", crashes_}});
}

}  // namespace veredus
