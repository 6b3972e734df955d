// The parent's side of the probe: starts the child, reads its answer in bounded time, and says how it ended. And the symbol lint.
#include "plugin/probe.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "plugin/confine.h"
#include "plugin/elf_file.h"

namespace veredus {

namespace {

using Json = nlohmann::ordered_json;
using Instant = std::chrono::steady_clock::time_point;

constexpr std::string_view kChildWord = "--describe-plugin";
constexpr int kResultFd = 3;
constexpr size_t kLongestAnswer = 8 * 1024 * 1024;

int milliseconds_until(Instant end) {
  auto left = std::chrono::duration_cast<Millis>(end - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::max<int64_t>(left, 0));
}

// The child while it lives: killed and reaped when this goes.
class ProbeChild {
 public:
  ProbeChild() = default;
  ~ProbeChild() {
    if (answer_ >= 0) close(answer_);
    if (pid_ > 0) end(SIGKILL);
  }
  ProbeChild(const ProbeChild&) = delete;

  Status start(const std::string& path);
  bool read_until(Instant end, std::string& out);  // false: time is over, or too much came
  int wait_until(Instant end);                     // the wait status; killed when the time is over

 private:
  int end(int signal);

  pid_t pid_ = -1;
  int answer_ = -1;
};

Status spawn(pid_t& pid, const std::string& path, int answer) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, answer, kResultFd);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::string program = "veredus-probe", word(kChildWord), object = path;
  char* argv[] = {program.data(), word.data(), object.data(), nullptr};
  int error = posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, argv, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return fail(Errc::io, path + ": cannot be described: no child process: " + std::strerror(error));
  return {};
}

Status ProbeChild::start(const std::string& path) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return fail(Errc::io, path + ": cannot be described: " + std::strerror(errno));
  answer_ = ends[0];
  Status status = spawn(pid_, path, ends[1]);
  close(ends[1]);
  if (!status) pid_ = -1;
  return status;
}

bool ProbeChild::read_until(Instant end, std::string& out) {
  char octets[65'536];
  while (out.size() <= kLongestAnswer) {
    pollfd ready = {answer_, POLLIN, 0};
    int count = poll(&ready, 1, milliseconds_until(end));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    ssize_t got = read(answer_, octets, sizeof octets);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    out.append(octets, static_cast<size_t>(got));
  }
  return false;
}

int ProbeChild::end(int signal) {
  if (signal != 0) kill(pid_, signal);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return status;
}

int ProbeChild::wait_until(Instant end_time) {
  for (;;) {
    int status = 0;
    pid_t reaped = waitpid(pid_, &status, WNOHANG);
    if (reaped == pid_) return pid_ = -1, status;
    int left = milliseconds_until(end_time);
    if (left == 0) return end(SIGKILL);
    poll(nullptr, 0, std::min(left, 2));  // its descriptor is closed, so it is about to end
  }
}

Error unanswered(const std::string& path, int status, Millis limit) {
  std::string text = path + ": cannot be described: ";
  if (WIFEXITED(status)) return fail(Errc::invalid, text + "opening it ended the process with code " + std::to_string(WEXITSTATUS(status)));
  int signal = WTERMSIG(status);
  if (signal == SIGKILL || signal == SIGXCPU)
    return fail(Errc::timeout, text + "opening it takes longer than " + std::to_string(limit.count()) + " ms (does a constructor wait?)");
  return fail(Errc::invalid, text + "opening it crashes with signal " + std::to_string(signal) + " (" + strsignal(signal) + ")");
}

Result<Manifest> read_answer(const std::string& path, const std::string& answer) {
  Json json = Json::parse(answer, nullptr, false);
  if (!json.is_object()) return fail(Errc::corrupt, path + ": cannot be described: the child's answer is damaged");
  if (json.contains("error") && json["error"].is_string()) return fail(Errc::invalid, json["error"].get<std::string>());
  return manifest_from_json(json.value("manifest", Json()));
}

bool is_entry(std::string_view name) {
  constexpr std::string_view kPrefix = "veredus_plugin_";
  return name.starts_with(kPrefix) && name.size() > kPrefix.size() &&
         name.find_first_not_of("0123456789", kPrefix.size()) == std::string_view::npos;
}

// What linkers of old put into every object.
bool is_of_linker(std::string_view name) {
  constexpr std::string_view kNames[] = {"_init", "_fini", "_edata", "_end", "__bss_start"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

std::string names_text(const std::vector<std::string>& names) {
  constexpr size_t kShown = 5;
  std::string out;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) out += (i ? ", " : "") + names[i];
  return names.size() > kShown ? out + " and " + std::to_string(names.size() - kShown) + " more" : out;
}

struct ProbeMemory {
  std::mutex mutex;
  std::map<std::string, ProbedPlugin> by_path;
};

}  // namespace

std::optional<int> run_as_probe_child(int argc, char** argv) {
  if (argc != 3 || kChildWord != argv[1]) return std::nullopt;
  confine_this_process(kResultFd, static_cast<unsigned>(kProbeLimit.count() / 1000) + 1);
  for (int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) signal(number, SIG_DFL);
  auto object = PluginObject::open(argv[2]);
  Json answer = object ? Json{{"manifest", manifest_to_json((*object)->manifest())}} : Json{{"error", object.error().text}};
  std::string text = answer.dump(-1, ' ', false, Json::error_handler_t::replace);
  size_t done = 0;
  while (done < text.size()) {
    ssize_t more = write(kResultFd, text.data() + done, text.size() - done);
    if (more <= 0) _exit(1);
    done += static_cast<size_t>(more);
  }
  _exit(0);  // the object's destructors are not our concern
}

Result<Manifest> probe_plugin(const std::string& path, Millis limit) {
  if (Status status = check_elf(path); !status) return status.error();
  Instant end = std::chrono::steady_clock::now() + limit;
  ProbeChild child;
  if (Status status = child.start(path); !status) return status.error();
  std::string answer;
  if (!child.read_until(end, answer)) end = std::chrono::steady_clock::now();
  int status = child.wait_until(end);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || answer.empty()) return unanswered(path, status, limit);
  return read_answer(path, answer);
}

Result<std::vector<std::string>> lint_symbols(const std::string& path) {
  auto elf = read_elf(path);
  if (!elf) return elf.error();
  std::vector<std::string> extra, ours, out;
  bool entry = false;
  for (const std::string& name : elf->exported) {
    entry |= is_entry(name);
    if (!is_entry(name) && !is_of_linker(name)) extra.push_back(name);
  }
  for (const std::string& name : elf->undefined)
    if (name.starts_with("vrd_") || name.starts_with("veredus")) ours.push_back(name);
  if (!entry) out.push_back("exports no veredus_plugin_1");
  if (!extra.empty()) out.push_back("exports more than veredus_plugin_1, which may clash: " + names_text(extra) + " (link with a version script)");
  if (!ours.empty()) out.push_back("wants symbols that no host defines: " + names_text(ours));
  if (!elf->run_path.empty()) out.push_back("has a run path: " + elf->run_path);
  return out;
}

Result<ProbedPlugin> probe_once(const std::string& path) {
  static auto* memory = new ProbeMemory;  // outlives pool threads
  auto identity = file_identity(path);
  if (!identity) return identity.error();
  {
    std::lock_guard lock(memory->mutex);
    auto found = memory->by_path.find(path);
    if (found != memory->by_path.end() && found->second.identity == *identity) return found->second;
  }
  auto manifest = probe_plugin(path);
  if (!manifest) return manifest.error();
  auto findings = lint_symbols(path);
  ProbedPlugin out{std::make_shared<const Manifest>(std::move(*manifest)), *identity, findings ? *findings : std::vector<std::string>{findings.error().text}};
  std::lock_guard lock(memory->mutex);
  memory->by_path[path] = out;
  return out;
}

}  // namespace veredus
