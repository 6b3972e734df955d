// The rules, and one question and one answer at a time: four octets of a number and a path; the number and nothing with a descriptor, or the
// number and why not.
#include "main/key_files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/text.h"
#include "config/load.h"
#include "log/events.h"
#include "main/helper_frames.h"
#include "plugin/prepare.h"

namespace veredus {

namespace {

constexpr off_t kLargest = 1 << 20;
constexpr size_t kLongest = 4096, kNumber = sizeof(uint32_t), kPemWithin = 65'536, kMostComplaints = 1000;
constexpr int kOpen = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, kAtOnce = 64;
constexpr int kPatience = 5'000;          // milliseconds
constexpr Millis kBetweenLooks{250};

Error os_failure(int error) { return fail(Errc::io, std::strerror(error)); }

std::string number_of(uint32_t number) {
  std::string out(kNumber, '\0');
  std::memcpy(out.data(), &number, kNumber);
  return out;
}

// Where beneath a directory a path lies; empty: not there.
std::string beneath(const std::string& directory, const std::string& path) {
  std::string prefix = directory.ends_with('/') ? directory : directory + "/";
  return path.starts_with(prefix) ? path.substr(prefix.size()) : std::string();
}

Result<UniqueFd> open_beneath(const std::string& directory, const std::string& rest) {
  UniqueFd top(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!top) return os_failure(errno);
  open_how how{};
  how.flags = kOpen;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  UniqueFd out(static_cast<int>(syscall(SYS_openat2, top.get(), rest.c_str(), &how, sizeof how)));
  if (!out) return errno == EXDEV ? fail(Errc::refused, "a link leads out of " + directory) : os_failure(errno);
  return out;
}

// Whatever a link may point to: passwords of the system are no PEM.
Status check_kind(int fd) {
  struct stat about {};
  if (fstat(fd, &about) != 0) return os_failure(errno);
  if (!S_ISREG(about.st_mode)) return fail(Errc::refused, "it is no regular file");
  if (about.st_size > kLargest) return fail(Errc::refused, "it is larger than 1 MiB");
  std::string start(kPemWithin, '\0');
  ssize_t got = pread(fd, start.data(), start.size(), 0);
  start.resize(static_cast<size_t>(std::max<ssize_t>(0, got)));
  return start.find("-----BEGIN ") == start.npos ? fail(Errc::refused, "it holds no PEM") : Status();
}

bool others_write(const std::string& path) {
  struct stat about {};
  return stat(path.c_str(), &about) == 0 && (about.st_uid != 0 || (about.st_mode & (S_IWGRP | S_IWOTH)) != 0);
}

}  // namespace

void KeyRules::add(const TlsSettings& settings) {
  for (const CertificateSettings& pair : settings.certificates) files.insert({pair.cert, pair.key});
  for (const std::string& file : {settings.outbound_cert, settings.outbound_key})
    if (!file.empty()) files.insert(file);
  for (const std::string& directory : settings.key_directories)
    if (std::find(directories.begin(), directories.end(), directory) == directories.end()) directories.push_back(directory);
}

Result<UniqueFd> open_by_rules(const KeyRules& rules, const std::string& path) {
  Result<UniqueFd> out = fail(Errc::not_found, "no setting under tls names it; a table of certificates needs its directory in tls.key_directories");
  if (path.empty() || path[0] != '/' || path.size() > kLongest || path.find('\0') != path.npos) return out;
  if (rules.files.contains(path)) {
    out = UniqueFd(::open(path.c_str(), kOpen));
    if (!*out) return os_failure(errno);
  }
  for (const std::string& directory : rules.directories)
    if (std::string rest = beneath(directory, path); !out && !rest.empty()) out = open_beneath(directory, rest);
  if (!out) return out;
  if (Status fits = check_kind(out->get()); !fits) return fits.error();
  return out;
}

Status only_root_writes(const std::string& conf_dir) {
  std::error_code error;
  std::string found = others_write(conf_dir) ? conf_dir : "";
  for (std::filesystem::directory_iterator at(conf_dir, error), end; found.empty() && !error && at != end; at.increment(error))
    if (at->path().extension() == ".yaml" && others_write(at->path())) found = at->path();
  return found.empty() ? Status() : Status(fail(Errc::refused, "others than root may write " + found + ", so what it says now is not believed"));
}

Result<UniqueFd> KeyFiles::begin() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return os_failure(errno);
  socket_ = UniqueFd(ends[0]);
  return UniqueFd(ends[1]);
}

void KeyFiles::serve() {
  char request[kNumber + kLongest + 1];
  for (int i = 0; i < kAtOnce; ++i) {
    ssize_t got = recv(socket_.get(), request, sizeof request, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return end();
    if (static_cast<size_t>(got) > kNumber) answer(std::string(request, static_cast<size_t>(got)));
  }
}

void KeyFiles::answer(const std::string& request) {
  std::string path = request.substr(kNumber), reply = request.substr(0, kNumber);
  Result<UniqueFd> file = open(path);
  if (!file) {
    reply += file.error().text;
    if (complained_.size() < kMostComplaints && complained_.insert(path).second)
      log_.write(events::kSupervisorKeyRefused, {{"file", printable(path, 400)}, {"reason", file.error().text}});
  }
  (void)send_with(socket_.get(), reply, file ? file->get() : -1);
}

// What the settings of before do not name, those of now may: the worker reads them anew when it is told to.
Result<UniqueFd> KeyFiles::open(const std::string& path) {
  Result<UniqueFd> file = open_by_rules(rules_, path);
  if (file || file.error().code != Errc::not_found) return file;
  MonoTime now = clock_.mono();
  if (now < look_again_) return file;
  look_again_ = now + kBetweenLooks;
  if (Status safe = only_root_writes(conf_dir_); !safe) return safe.error();
  look_again();
  return open_by_rules(rules_, path);
}

void KeyFiles::look_again() {
  auto config = load_config(conf_dir_, options_with_plugins(Catalogue::standard()));
  if (!config) return;
  know(*config.value().settings);
  complained_.clear();
}

KeyDoor::KeyDoor(int socket) : socket_(socket) {
  fcntl(socket, F_SETFD, FD_CLOEXEC);
}

Result<int> KeyDoor::open(const std::string& path) {
  std::lock_guard lock(mutex_);
  std::string request = number_of(++number_) + path;
  if (path.size() > kLongest) return fail(Errc::invalid, "its name is too long");
  if (send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return fail(Errc::io, "it cannot be asked");
  return receive(number_);
}

// Answers that come too late are passed over.
Result<int> KeyDoor::receive(uint32_t number) {
  char reply[1024];
  for (;;) {
    UniqueFd fd;
    pollfd wait{socket_.get(), POLLIN, 0};
    if (poll(&wait, 1, kPatience) == 0) return fail(Errc::timeout, "it does not answer");
    Result<size_t> got = receive_with(socket_.get(), reply, sizeof reply, fd);
    if (!got) return fail(Errc::io, "it has gone");
    std::string_view text(reply, *got);
    if (text.size() < kNumber || text.substr(0, kNumber) != number_of(number)) continue;
    if (fd) return fd.release();
    return fail(Errc::refused, std::string(text.substr(kNumber)));
  }
}

}  // namespace veredus
