// The drop directory's files.
#include "drop/drop_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/text.h"
#include "drop/drop_format.h"

namespace veredus {

namespace {

constexpr Seconds kStale{3600};
constexpr size_t kLongestName = 200;
constexpr size_t kEnvelopeHead = 8192;   // what stands before the recipients is shorter
constexpr size_t kMostEntries = 20'000;  // the rest comes with the next look
constexpr off_t kLargest = static_cast<off_t>(VDROP_CONTENT + VDROP_CONTENT / 1000 + 16'000'000);

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

int open_directory(const std::string& path) { return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

Error os_failure(const std::string& what) {
  int code = errno;
  return fail(code == ENOENT ? Errc::not_found : code == ENOSPC || code == EDQUOT ? Errc::no_space : Errc::io, what + ": " + std::strerror(code));
}

bool is_plain(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

// Who writes takes a moment; what has not grown for an hour nobody writes any more.
bool is_old(int directory, const std::string& name, WallTime now) {
  struct stat info {};
  if (fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return false;
  return now - WallTime(Seconds(info.st_mtim.tv_sec)) > kStale;
}

Result<std::string> read_all(int fd, size_t size) {
  std::string out(size, '\0');
  size_t have = 0;
  while (have < size) {
    ssize_t got = read(fd, out.data() + have, size - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os_failure("reading");
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  out.resize(have);
  return out;
}

}  // namespace

DropEntry entry_of(std::string_view name) {
  DropEntry out;
  out.name = name;
  if (name.size() > kLongestName) return out;
  if (name.starts_with("new.") && is_plain(name.substr(4))) {
    out.kind = DropEntry::Kind::fresh;
    out.rest = name.substr(4);
  } else if (name.starts_with("work.")) {
    size_t dot = name.find('.', 5);
    auto id = dot == name.npos ? std::nullopt : MessageId::parse(name.substr(5, dot - 5));
    if (!id || !is_plain(name.substr(dot + 1))) return out;
    out.kind = DropEntry::Kind::claimed;
    out.id = *id;
    out.rest = name.substr(dot + 1);
  } else if (name.starts_with("tmp.")) {
    out.kind = DropEntry::Kind::stale;
  }
  return out;
}

std::string claimed_name(MessageId id, std::string_view rest) { return "work." + id.text() + "." + std::string(rest); }

std::string aside_name(std::string_view name) { return "bad." + std::string(name.substr(0, kLongestName)); }

Result<std::vector<DropEntry>> DropDirectory::list(WallTime now) const {
  std::vector<DropEntry> out;
  int fd = open_directory(path_);
  if (fd < 0 && errno == ENOENT) return out;
  if (fd < 0) return os_failure(path_);
  DIR* stream = fdopendir(fd);
  if (!stream) {
    close(fd);
    return fail(Errc::io, path_ + ": no memory");
  }
  while (const dirent* found = readdir(stream)) {
    std::string_view name = found->d_name;
    if (name == "." || name == ".." || name.starts_with("bad.")) continue;
    DropEntry entry = entry_of(name);
    if (entry.kind == DropEntry::Kind::stale && !is_old(fd, entry.name, now)) continue;
    out.push_back(std::move(entry));
    if (out.size() == kMostEntries) break;
  }
  closedir(stream);
  std::sort(out.begin(), out.end(), [](const DropEntry& a, const DropEntry& b) { return a.rest != b.rest ? a.rest < b.rest : a.name < b.name; });
  return out;
}

Result<std::vector<MessageId>> DropDirectory::promised(WallTime now) const {
  auto entries = list(now);
  if (!entries) return entries.error();
  std::vector<MessageId> out;
  for (const DropEntry& entry : *entries) {
    if (entry.kind == DropEntry::Kind::claimed) out.push_back(entry.id);
    if (entry.rest.empty()) continue;
    auto head = read_at_most(entry.name, kEnvelopeHead);
    auto id = head ? MessageId::parse(said_id(head->octets)) : std::nullopt;
    if (id) out.push_back(*id);
  }
  return out;
}

Result<DropFile> DropDirectory::read(const std::string& name) const { return read_at_most(name, static_cast<size_t>(kLargest)); }

Result<DropFile> DropDirectory::read_at_most(const std::string& name, size_t most) const {
  Descriptor directory(open_directory(path_));
  if (directory.get() < 0) return os_failure(path_);
  Descriptor file(openat(directory.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (file.get() < 0 && (errno == ELOOP || errno == ENXIO)) return fail(Errc::corrupt, "it is no regular file");
  if (file.get() < 0) return os_failure(name);
  struct stat info {};
  if (fstat(file.get(), &info) != 0) return os_failure(name);
  if (!S_ISREG(info.st_mode)) return fail(Errc::corrupt, "it is no regular file");
  if (info.st_nlink != 1) return fail(Errc::corrupt, "it has several names");
  if (info.st_size > kLargest) return fail(Errc::corrupt, "it is too large");
  auto octets = read_all(file.get(), std::min(static_cast<size_t>(info.st_size), most));
  if (!octets) return octets.error();
  return DropFile{info.st_uid, WallTime(Seconds(info.st_mtim.tv_sec)), std::move(*octets)};
}

Status DropDirectory::rename(const std::string& from, const std::string& to) const {
  Descriptor directory(open_directory(path_));
  if (directory.get() < 0) return os_failure(path_);
  if (renameat2(directory.get(), from.c_str(), directory.get(), to.c_str(), RENAME_NOREPLACE) != 0) return os_failure(from);
  return {};
}

Status DropDirectory::remove(const std::string& name) const {
  Descriptor directory(open_directory(path_));
  if (directory.get() < 0) return os_failure(path_);
  if (unlinkat(directory.get(), name.c_str(), 0) != 0 && errno != ENOENT) return os_failure(name);
  return {};
}

}  // namespace veredus
