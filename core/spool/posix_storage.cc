// Files through openat and friends; errors keep the name and the system's reason.
#include "spool/posix_storage.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <system_error>

#include "base/text.h"

namespace veredus {

namespace {

Errc code_of(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return Errc::no_space;
    case ENOENT:
      return Errc::not_found;
    case EEXIST:
      return Errc::exists;
    case EACCES:
    case EPERM:
      return Errc::refused;
    case EMFILE:
    case ENFILE:
      return Errc::limit;
    default:
      return Errc::io;
  }
}

Error system_error(const std::string& what, int error = errno) {
  return fail(code_of(error), what + ": " + std::generic_category().message(error));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

// Drops what was written; returns false when nothing is left.
bool advance(std::vector<iovec>& pieces, size_t& first, size_t written) {
  while (first < pieces.size() && written >= pieces[first].iov_len) written -= pieces[first++].iov_len;
  if (first == pieces.size()) return false;
  pieces[first].iov_base = static_cast<char*>(pieces[first].iov_base) + written;
  pieces[first].iov_len -= written;
  return true;
}

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

  Result<size_t> read(uint64_t offset, char* out, size_t count) override {
    size_t done = 0;
    while (done < count) {
      ssize_t got = ::pread(fd_.get(), out + done, count - done, static_cast<off_t>(offset + done));
      if (got == 0) break;
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return system_error("reading " + name_);
      done += static_cast<size_t>(got);
    }
    return done;
  }

  Status write(uint64_t offset, std::span<const iovec> given) override {
    std::vector<iovec> pieces(given.begin(), given.end());
    size_t first = 0;
    while (advance(pieces, first, 0)) {
      int count = static_cast<int>(std::min<size_t>(pieces.size() - first, IOV_MAX));
      ssize_t written = ::pwritev(fd_.get(), &pieces[first], count, static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return system_error("writing " + name_);
      if (written == 0) return fail(Errc::io, "writing " + name_ + ": nothing was written");
      offset += static_cast<uint64_t>(written);
      advance(pieces, first, static_cast<size_t>(written));
    }
    return {};
  }

  Status sync() override {
    if (::fdatasync(fd_.get()) != 0) return system_error("syncing " + name_);
    return {};
  }

  Status truncate(uint64_t size) override {
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) return system_error("truncating " + name_);
    return {};
  }

  // Space first, so that a full disk is known at once; then zeros, because a write into space that was only reserved
  // makes every later sync wait for the file system's journal.
  Status preallocate(uint64_t size) override {
    if (::fallocate(fd_.get(), 0, 0, static_cast<off_t>(size)) != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
      return system_error("reserving space for " + name_);
    static constexpr size_t kPiece = 1 << 20;
    std::vector<char> zeros(kPiece);
    for (uint64_t at = 0; at < size; at += kPiece) {
      iovec piece{zeros.data(), static_cast<size_t>(std::min<uint64_t>(kPiece, size - at))};
      if (Status written = write(at, std::span(&piece, 1)); !written) return written;
      ::sync_file_range(fd_.get(), static_cast<off_t>(at), kPiece, SYNC_FILE_RANGE_WRITE);
    }
    return {};
  }

  Result<uint64_t> size() override {
    struct stat about {};
    if (::fstat(fd_.get(), &about) != 0) return system_error("looking at " + name_);
    return static_cast<uint64_t>(about.st_size);
  }

 private:
  Descriptor fd_;
  std::string name_;
};

class PosixLock final : public StorageLock {
 public:
  explicit PosixLock(int fd) : fd_(fd) {}

 private:
  Descriptor fd_;
};

int flags_of(OpenMode mode) {
  constexpr int kAlways = O_CLOEXEC | O_NOFOLLOW;
  if (mode == OpenMode::read) return O_RDONLY | kAlways;
  return O_RDWR | kAlways | (mode == OpenMode::create ? O_CREAT | O_EXCL : 0);
}

std::string owner_of(int fd) {
  char text[32] = {};
  ssize_t got = ::pread(fd, text, sizeof text - 1, 0);
  std::string_view pid = trimmed(std::string_view(text, got > 0 ? static_cast<size_t>(got) : 0));
  while (!pid.empty() && pid.back() == '\n') pid.remove_suffix(1);
  return parse_uint(pid) ? "process " + std::string(pid) : "another process";
}

}  // namespace

Result<std::unique_ptr<PosixStorage>> PosixStorage::open_directory(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return system_error("opening the spool " + path);
  return std::unique_ptr<PosixStorage>(new PosixStorage(fd));
}

PosixStorage::~PosixStorage() { ::close(directory_); }

Result<std::shared_ptr<File>> PosixStorage::open(const std::string& name, OpenMode mode) {
  int fd = ::openat(directory_, name.c_str(), flags_of(mode), 0600);
  if (fd < 0) return system_error("opening " + name);
  return std::shared_ptr<File>(std::make_shared<PosixFile>(fd, name));
}

Status PosixStorage::rename(const std::string& from, const std::string& to) {
  if (::renameat(directory_, from.c_str(), directory_, to.c_str()) != 0) return system_error("renaming " + from);
  return {};
}

Status PosixStorage::remove(const std::string& name) {
  if (::unlinkat(directory_, name.c_str(), 0) != 0) return system_error("removing " + name);
  return {};
}

Status PosixStorage::make_directory(const std::string& name) {
  if (::mkdirat(directory_, name.c_str(), 0700) != 0 && errno != EEXIST) return system_error("creating " + name);
  return {};
}

Status PosixStorage::sync_directory(const std::string& name) {
  const char* path = name.empty() ? "." : name.c_str();
  Descriptor fd(::openat(directory_, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.ok() || ::fsync(fd.get()) != 0) return system_error("syncing the directory " + std::string(path));
  return {};
}

Result<std::vector<std::string>> PosixStorage::list(const std::string& directory) {
  const char* path = directory.empty() ? "." : directory.c_str();
  int fd = ::openat(directory_, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return system_error("listing " + std::string(path));
  DIR* stream = ::fdopendir(fd);
  std::vector<std::string> out;
  while (dirent* entry = ::readdir(stream))
    if (entry->d_name[0] != '.' && entry->d_type != DT_DIR) out.emplace_back(entry->d_name);
  ::closedir(stream);
  std::sort(out.begin(), out.end());
  return out;
}

Result<FreeSpace> PosixStorage::free_space() {
  struct statvfs about {};
  if (::fstatvfs(directory_, &about) != 0) return system_error("asking for free space");
  FreeSpace out;
  out.octets = static_cast<uint64_t>(about.f_bavail) * about.f_frsize;
  out.inodes = about.f_files == 0 ? UINT64_MAX : about.f_favail;  // some file systems do not count inodes
  return out;
}

Result<std::unique_ptr<StorageLock>> PosixStorage::lock(const std::string& name, LockKind kind) {
  bool exclusive = kind == LockKind::exclusive;
  int flags = (exclusive ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW;
  int fd = ::openat(directory_, name.c_str(), flags, 0600);
  if (fd < 0) return system_error("opening " + name);
  auto lock = std::make_unique<PosixLock>(fd);
  if (::flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_error("locking " + name);
    return fail(Errc::busy, "the spool is in use by " + owner_of(fd));
  }
  if (exclusive) {
    std::string pid = std::to_string(::getpid()) + "\n";
    bool written = ::ftruncate(fd, 0) == 0 && ::pwrite(fd, pid.data(), pid.size(), 0) > 0;
    if (!written && errno != ENOSPC) return system_error("writing " + name);
  }
  return std::unique_ptr<StorageLock>(std::move(lock));
}

}  // namespace veredus
