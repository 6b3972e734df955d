// Opening with suspicion, locking twice, writing once.
#include "mailbox.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <optional>

namespace local {

volatile sig_atomic_t g_asked_to_end = 0;

namespace {

constexpr int kOpen = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
constexpr mode_t kOddModes = S_ISUID | S_ISGID | S_ISVTX | S_IXUSR | S_IXGRP | S_IXOTH | S_IWOTH;

int64_t now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

void pause_ms(long ms) {
  timespec time{ms / 1000, ms % 1000 * 1'000'000};
  nanosleep(&time, nullptr);
}

// The administrator's to mend, so it waits.
Report suspicious(const std::string& path, const std::string& why) {
  return Report::of(451, 2, 0, "mailbox " + path + " " + why);
}

class Mailbox {
 public:
  Mailbox(const std::string& path, const MailboxOptions& options) : path_(path), options_(options) {}
  ~Mailbox() {
    if (dotted_) unlinkat(directory_.get(), lock_name().c_str(), 0);
  }

  std::optional<Report> open_and_lock();
  Report append(const Message& message);

 private:
  std::optional<Report> open_directory();
  std::optional<Report> open_file();
  std::optional<Report> judge(const struct stat& info) const;
  bool same_file() const;
  enum class Lock { held, busy, failed };
  Lock lock_once();
  Lock dot_lock();
  void unlock();
  std::string_view missing_end(off_t end) const;
  bool write_message(const Message& message, off_t end);
  Report cut_back(off_t end);
  std::string lock_name() const { return name_ + ".lock"; }

  const std::string& path_;
  const MailboxOptions& options_;
  std::string name_;
  Fd directory_, file_;
  bool created_ = false, dotted_ = false;
};

std::optional<Report> Mailbox::open_directory() {
  size_t slash = path_.rfind('/');
  name_ = path_.substr(slash + 1);
  if (name_.empty() || name_ == "." || name_ == "..") return suspicious(path_, "has no usable name");
  directory_ = Fd(open(slash == 0 ? "/" : path_.substr(0, slash).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory_) return failure_of(errno, "opening the directory of " + path_);
  return std::nullopt;
}

std::optional<Report> Mailbox::judge(const struct stat& info) const {
  if (S_ISLNK(info.st_mode)) return suspicious(path_, "is a symbolic link");
  if (S_ISDIR(info.st_mode)) return suspicious(path_, "is a directory");
  if (!S_ISREG(info.st_mode)) return suspicious(path_, "is no regular file");
  if (info.st_nlink != 1) return suspicious(path_, "has " + std::to_string(info.st_nlink) + " hard links");
  if (info.st_uid != geteuid()) return suspicious(path_, "belongs to user " + std::to_string(info.st_uid));
  if (info.st_mode & kOddModes) return suspicious(path_, "has odd permissions");
  return std::nullopt;
}

std::optional<Report> Mailbox::open_file() {
  for (int tries = 0; tries < 5; ++tries) {
    struct stat info {};
    bool there = fstatat(directory_.get(), name_.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
    if (!there && errno != ENOENT) return failure_of(errno, "looking at " + path_);
    if (there)
      if (auto odd = judge(info)) return odd;
    file_ = Fd(openat(directory_.get(), name_.c_str(), there ? kOpen : kOpen | O_CREAT | O_EXCL, 0600));
    if (!file_ && (errno == EEXIST || (there && errno == ENOENT))) continue;  // somebody else was faster
    if (!file_) return failure_of(errno, "opening " + path_);
    created_ = created_ || !there;
    if (fstat(file_.get(), &info) != 0) return failure_of(errno, "looking at " + path_);
    return judge(info);
  }
  return suspicious(path_, "comes and goes");
}

// Still the mailbox of that name, and not one that was moved away while we waited?
bool Mailbox::same_file() const {
  struct stat by_name {
  }, by_fd{};
  return fstatat(directory_.get(), name_.c_str(), &by_name, AT_SYMLINK_NOFOLLOW) == 0 && fstat(file_.get(), &by_fd) == 0 &&
         by_name.st_dev == by_fd.st_dev && by_name.st_ino == by_fd.st_ino;
}

// A directory that its user may not write to has no lock files: fcntl must do.
Mailbox::Lock Mailbox::dot_lock() {
  Fd lock(openat(directory_.get(), lock_name().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (lock) {
    dotted_ = true;
    (void)write_all(lock.get(), std::to_string(getpid()) + "\n");  // for people
    return Lock::held;
  }
  if (errno == EACCES || errno == EROFS) return Lock::held;
  if (errno != EEXIST) return Lock::failed;
  struct stat info {
  }, again{};
  auto look = [&](struct stat& into) { return fstatat(directory_.get(), lock_name().c_str(), &into, AT_SYMLINK_NOFOLLOW) == 0; };
  bool stale = look(info) && S_ISREG(info.st_mode) && time(nullptr) - info.st_mtime > options_.stale_lock;
  if (stale && look(again) && again.st_ino == info.st_ino && again.st_mtime == info.st_mtime)
    unlinkat(directory_.get(), lock_name().c_str(), 0);
  return Lock::busy;
}

Mailbox::Lock Mailbox::lock_once() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (fcntl(file_.get(), F_SETLK, &lock) != 0) return errno == EACCES || errno == EAGAIN || errno == EINTR ? Lock::busy : Lock::failed;
  Lock dotted = dot_lock();
  if (dotted == Lock::held) return Lock::held;
  int error = errno;
  lock.l_type = F_UNLCK;
  fcntl(file_.get(), F_SETLK, &lock);
  errno = error;
  return dotted;
}

void Mailbox::unlock() {
  if (std::exchange(dotted_, false)) unlinkat(directory_.get(), lock_name().c_str(), 0);
  file_ = Fd();
}

std::optional<Report> Mailbox::open_and_lock() {
  if (auto failed = open_directory()) return failed;
  const int64_t until = now_ms() + options_.lock_wait * 1000LL;
  for (long wait = 2;; wait = std::min(wait * 3 / 2 + 1, 100L)) {
    if (!file_)
      if (auto failed = open_file()) return failed;
    Lock lock = lock_once();
    if (lock == Lock::failed) return failure_of(errno, "locking " + path_);
    if (lock == Lock::held && same_file()) {
      struct stat info {};
      if (fstat(file_.get(), &info) != 0) return failure_of(errno, "looking at " + path_);
      return judge(info);
    }
    if (lock == Lock::held) unlock();
    if (g_asked_to_end) return suspicious(path_, "is locked, and the helper ends");
    if (now_ms() >= until) return suspicious(path_, "is locked");
    pause_ms(wait / 2 + (getpid() + wait) % (wait / 2 + 1));  // not all of those who wait at the same time
  }
}

// A writer that was killed leaves no empty line behind; without one the next From line would be text of its message.
std::string_view Mailbox::missing_end(off_t end) const {
  char last[2] = {'\n', '\n'};
  off_t size = std::min<off_t>(end, 2);
  (void)!pread(file_.get(), last + 2 - size, static_cast<size_t>(size), end - size);
  if (last[1] != '\n') return "\n\n";
  return last[0] != '\n' ? "\n" : "";
}

bool Mailbox::write_message(const Message& message, off_t end) {
  if (!write_all(file_.get(), missing_end(end))) return false;
  return message.write(Message::Form::mbox, [this](std::string_view octets) { return write_all(file_.get(), octets); });
}

Report Mailbox::cut_back(off_t end) {
  Report out = failure_of(errno, "writing to " + path_);
  if (ftruncate(file_.get(), end) != 0 || fsync(file_.get()) != 0)
    out.text += "; cutting it back failed too: " + std::string(std::strerror(errno));
  return out;
}

Report Mailbox::append(const Message& message) {
  off_t end = lseek(file_.get(), 0, SEEK_END);
  if (end < 0) return failure_of(errno, "looking at " + path_);
  if (!write_message(message, end) || fsync(file_.get()) != 0) return cut_back(end);
  if (created_ && fsync(directory_.get()) != 0 && errno != EINVAL && errno != EROFS) return cut_back(end);
  return Report::of(250, 1, 5, "Delivered to the mailbox");
}

}  // namespace

Report append_to_mailbox(const std::string& path, const Message& message, const MailboxOptions& options) {
  Mailbox mailbox(path, options);
  if (auto failed = mailbox.open_and_lock()) return *failed;
  return mailbox.append(message);
}

}  // namespace local
