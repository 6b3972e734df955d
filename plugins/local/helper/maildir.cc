// One message into a Maildir: tmp, fsync, link into new, fsync of the directory.
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <atomic>
#include <optional>

#include "mailbox.h"

namespace local {

namespace {

constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

std::optional<Report> own(const Fd& directory, const std::string& name) {
  struct stat info {};
  if (fstat(directory.get(), &info) != 0) return failure_of(errno, "looking at " + name);
  if (info.st_uid != geteuid()) return Report::of(451, 2, 0, "directory " + name + " belongs to user " + std::to_string(info.st_uid));
  if (info.st_mode & S_IWOTH) return Report::of(451, 2, 0, "directory " + name + " is writable for everybody");
  return std::nullopt;
}

std::optional<Report> enter(Fd& here, const std::string& name) {
  Fd below(openat(here.get(), name.c_str(), kDirectory));
  if (!below && errno == ENOENT) {
    if (mkdirat(here.get(), name.c_str(), 0700) != 0 && errno != EEXIST) return failure_of(errno, "making " + name);
    if (fsync(here.get()) != 0) return failure_of(errno, "making " + name + " durable");
    below = Fd(openat(here.get(), name.c_str(), kDirectory));
  }
  if (!below && (errno == ELOOP || errno == ENOTDIR)) return Report::of(451, 2, 0, name + " is a link or no directory");
  if (!below) return failure_of(errno, "opening " + name);
  here = std::move(below);
  return own(here, name);
}

std::optional<Report> walk(Fd& here, std::string_view path) {
  while (!path.empty()) {
    size_t end = std::min(path.find('/'), path.size());
    std::string name(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
    if (name.empty()) continue;
    if (name == "." || name == "..") return Report::of(451, 2, 0, "a path with dots");
    if (auto failed = enter(here, name)) return failed;
  }
  return std::nullopt;
}

std::string fresh_name(const std::string& hostname) {
  static std::atomic<unsigned> count{0};
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  char text[96];
  std::snprintf(text, sizeof text, "%lld.M%06ldP%dQ%u.", static_cast<long long>(now.tv_sec), now.tv_nsec / 1000, getpid(),
                count.fetch_add(1));
  return text + hostname;
}

std::optional<Report> fill(int fd, const Message& message) {
  bool written = message.write(Message::Form::plain, [fd](std::string_view octets) { return write_all(fd, octets); });
  if (!written || fsync(fd) != 0) return failure_of(errno, "writing the message");
  return std::nullopt;
}

}  // namespace

Report store_in_maildir(const std::string& root, const std::string& path, const Message& message, const std::string& hostname) {
  Fd base(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!base) return failure_of(errno, "opening " + root);
  if (auto failed = walk(base, path)) return *failed;
  Fd temporary, fresh, seen;
  for (auto [directory, name] : {std::pair(&temporary, "tmp"), std::pair(&fresh, "new"), std::pair(&seen, "cur")}) {
    *directory = Fd(fcntl(base.get(), F_DUPFD_CLOEXEC, 3));
    if (!*directory) return failure_of(errno, "opening the mailbox");
    if (auto failed = enter(*directory, name)) return *failed;
  }
  std::string name = fresh_name(hostname);
  Fd file(openat(temporary.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return failure_of(errno, "making a file in tmp");
  auto failed = fill(file.get(), message);
  if (!failed && linkat(temporary.get(), name.c_str(), fresh.get(), name.c_str(), 0) != 0)
    failed = failure_of(errno, "moving the message in");
  unlinkat(temporary.get(), name.c_str(), 0);
  if (!failed && fsync(fresh.get()) != 0) {
    failed = failure_of(errno, "making the delivery durable");
    unlinkat(fresh.get(), name.c_str(), 0);
  }
  return failed ? *failed : Report::of(250, 1, 5, "Delivered to the Maildir");
}

}  // namespace local
