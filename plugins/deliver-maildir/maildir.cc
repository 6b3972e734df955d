// The file work: tmp, fsync, rename to new, fsync of the directory.
#include "maildir.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

namespace maildir {

namespace {

constexpr size_t kPiece = 65'536;
constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

Failure failure_of(int error, const std::string& what) {
  std::string text = what + ": " + std::strerror(error);
  if (error == ENOSPC) return {452, {4, 3, 1}, text};
  if (error == EDQUOT) return {452, {4, 2, 2}, text};
  return {451, {4, 3, 0}, text};
}

// A directory below another one; made, and durable, when that is allowed and it is missing.
std::optional<Failure> enter(Fd& here, const std::string& name, bool create, mode_t mode) {
  Fd below(openat(here.get(), name.c_str(), kDirectory));
  if (!below && errno == ENOENT && !create) return Failure{550, {5, 1, 1}, "There is no such mailbox"};
  if (!below && errno == ENOENT) {
    if (mkdirat(here.get(), name.c_str(), mode) != 0 && errno != EEXIST) return failure_of(errno, "making " + name);
    if (fsync(here.get()) != 0) return failure_of(errno, "making " + name + " durable");
    below = Fd(openat(here.get(), name.c_str(), kDirectory));
  }
  if (!below) return failure_of(errno, "opening " + name);
  here = std::move(below);
  return std::nullopt;
}

bool exists(const Fd& here, const std::string& name) {
  struct stat info;
  return fstatat(here.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
}

// The directory that has tmp, new and cur.
std::optional<Failure> open_mailbox(const Options& options, const Place& place, Fd& out) {
  Fd here(open(options.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!here) return failure_of(errno, "opening " + options.root);
  for (const std::string& name : place.mailbox)
    if (auto failed = enter(here, name, options.create, options.mode)) return failed;
  bool folder = !place.folder.empty() && (exists(here, place.folder) || (place.folder_asked && options.create));
  if (folder)
    if (auto failed = enter(here, place.folder, true, options.mode)) return failed;
  out = std::move(here);
  return std::nullopt;
}

// The size in a name is the one that quotas count (Maildir++); other files are looked at.
uint64_t size_of(int directory, const char* name) {
  if (const char* tag = std::strstr(name, ",S=")) return std::strtoull(tag + 3, nullptr, 10);
  struct stat info;
  return fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

uint64_t used_in(const Fd& mailbox, const char* name) {
  int fd = openat(mailbox.get(), name, kDirectory);
  if (fd < 0) return 0;
  std::unique_ptr<DIR, int (*)(DIR*)> list(fdopendir(fd), closedir);
  uint64_t sum = 0;
  while (dirent* entry = list ? readdir(list.get()) : nullptr)
    if (entry->d_name[0] != '.') sum += size_of(fd, entry->d_name);
  return sum;
}

bool over_quota(const Options& options, const Fd& mailbox, uint64_t size) {
  return options.quota > 0 && used_in(mailbox, "new") + used_in(mailbox, "cur") + size > options.quota;
}

std::string fresh_name(const Options& options) {
  static std::atomic<uint64_t> count{0};
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  char text[96];
  std::snprintf(text, sizeof text, "%lld.M%06ldP%dQ%llu.", static_cast<long long>(now.tv_sec), now.tv_nsec / 1000, getpid(),
                static_cast<unsigned long long>(count.fetch_add(1)));
  return text + options.hostname;
}

bool write_all(const Fd& file, const char* octets, size_t count) {
  while (count > 0) {
    ssize_t done = write(file.get(), octets, count);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return false;
    octets += done;
    count -= static_cast<size_t>(done);
  }
  return true;
}

// Mailboxes keep lines with LF. A CR stays only where no LF follows; the last octet of a piece waits for the next piece.
class Lines {
 public:
  explicit Lines(const Fd& file) : file_(file) {}
  bool add(std::string_view octets) {
    out_.clear();
    for (char c : octets) {
      if (waiting_ && c != '\n') out_ += '\r';
      waiting_ = c == '\r';
      if (!waiting_) out_ += c;
    }
    return write_all(file_, out_.data(), out_.size());
  }
  bool end() { return !waiting_ || write_all(file_, "\r", 1); }

 private:
  const Fd& file_;
  std::string out_;
  bool waiting_ = false;
};

std::optional<Failure> fill(const Fd& file, std::string_view head, uint64_t size, const Source& source) {
  Lines lines(file);
  if (!lines.add(head)) return failure_of(errno, "writing the message");
  std::string piece(kPiece, '\0');
  for (uint64_t at = 0; at < size;) {
    ssize_t got = source(at, piece.data(), piece.size());
    if (got <= 0) return Failure{451, {4, 3, 0}, "The message could not be read from the spool"};
    if (!lines.add(std::string_view(piece).substr(0, static_cast<size_t>(got)))) return failure_of(errno, "writing the message");
    at += static_cast<uint64_t>(got);
  }
  if (!lines.end() || fsync(file.get()) != 0) return failure_of(errno, "writing the message");
  return std::nullopt;
}

uint64_t length_of(const Fd& file) {
  struct stat info;
  return fstat(file.get(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

// From tmp to new, under the name that says the size; then it is a delivered message.
std::optional<Failure> move_in(const Fd& temporary, const Fd& fresh, const std::string& name, uint64_t size) {
  std::string final_name = name + ",S=" + std::to_string(size);
  if (linkat(temporary.get(), name.c_str(), fresh.get(), final_name.c_str(), 0) != 0) return failure_of(errno, "moving the message in");
  if (fsync(fresh.get()) == 0) return std::nullopt;
  int error = errno;
  unlinkat(fresh.get(), final_name.c_str(), 0);
  return failure_of(error, "making the delivery durable");
}

}  // namespace

std::optional<Failure> store(const Options& options, const Place& place, std::string_view head, uint64_t size, const Source& source) {
  Fd mailbox, temporary, fresh, seen;
  if (auto failed = open_mailbox(options, place, mailbox)) return failed;
  for (auto [directory, name] : {std::pair(&temporary, "tmp"), std::pair(&fresh, "new"), std::pair(&seen, "cur")}) {
    *directory = Fd(dup(mailbox.get()));
    if (!*directory) return failure_of(errno, "opening the mailbox");
    if (auto failed = enter(*directory, name, true, options.mode)) return failed;
  }
  if (over_quota(options, mailbox, size + head.size())) return Failure{452, {4, 2, 2}, "The mailbox is full"};
  std::string name = fresh_name(options);
  Fd file(openat(temporary.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, options.mode & 0666));
  if (!file) return failure_of(errno, "making a file in tmp");
  auto failed = fill(file, head, size, source);
  if (!failed) failed = move_in(temporary, fresh, name, length_of(file));
  unlinkat(temporary.get(), name.c_str(), 0);
  return failed;
}

}  // namespace maildir
