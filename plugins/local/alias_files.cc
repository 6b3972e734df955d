// Stamps of files, and reading them.
#include "alias_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace local {

namespace {

constexpr int64_t kSettled = 1'000'000'000;  // nanoseconds after which a change is taken as complete

uint64_t mix(uint64_t a, uint64_t b) {
  return (a ^ b) * 0x9E3779B97F4A7C15ull + (a >> 29);
}

int64_t nanoseconds(const timespec& time) {
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return nanoseconds(now);
}

struct Stamp {
  uint64_t contents = 0, node = 0;
  int64_t changed = 0;
};

Stamp stamp_of(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return {};
  Stamp out;
  out.changed = nanoseconds(info.st_mtim);
  out.node = mix(info.st_dev, info.st_ino) | 1;
  out.contents = mix(mix(out.node, static_cast<uint64_t>(out.changed)), static_cast<uint64_t>(nanoseconds(info.st_ctim)));
  out.contents = mix(out.contents, static_cast<uint64_t>(info.st_size)) | 1;
  return out;
}

std::shared_ptr<const AliasFiles::Snapshot::File> load(const std::string& path) {
  auto out = std::make_shared<AliasFiles::Snapshot::File>();
  out->path = path;
  Stamp stamp = stamp_of(path);
  out->stamp = stamp.contents;
  out->node = stamp.node;
  std::string text;
  if (read_file(path, Aliases::kMostOctets, true, text, out->problem)) out->aliases = Aliases::parse(text);
  return out;
}

}  // namespace

bool read_file(const std::string& path, size_t most, bool may_be_missing, std::string& out, std::string& problem) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    if (errno != ENOENT || !may_be_missing) problem = path + ": " + std::strerror(errno);
    return false;
  }
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) problem = path + " is not a regular file";
  char piece[65'536];
  while (problem.empty()) {
    ssize_t got = read(fd, piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) problem = path + ": " + std::strerror(errno);
    if (got <= 0) break;
    out.append(piece, static_cast<size_t>(got));
    if (out.size() > most) problem = path + " has more than " + std::to_string(most) + " octets";
  }
  close(fd);
  return problem.empty();
}

const Alias* AliasFiles::Snapshot::find(const std::string& name, std::string* path) const {
  for (const auto& file : files) {
    const Alias* found = file->aliases.find(name);
    if (!found) continue;
    if (path) *path = file->path;
    return found;
  }
  return nullptr;
}

std::string AliasFiles::Snapshot::problem() const {
  for (const auto& file : files)
    if (!file->problem.empty()) return file->problem;
  return {};
}

size_t AliasFiles::Snapshot::size() const {
  size_t out = 0;
  for (const auto& file : files) out += file->aliases.size();
  return out;
}

// What was read is still right, or the best there is: an editor that writes in place, or takes the old file away first, needs a moment. A
// file that could not be read is tried each time: rights of directories change without a trace.
bool AliasFiles::holds(size_t index, const Snapshot::File& before) {
  Stamp stamp = stamp_of(paths_[index]);
  bool gone = stamp.contents == 0 && before.stamp != 0;
  if (!gone)
    gone_[index] = 0;
  else if (gone_[index] == 0)
    gone_[index] = now_ns();
  int64_t age = now_ns() - (gone ? gone_[index] : stamp.changed);
  bool settling = age >= 0 && age < kSettled && (gone || stamp.node == before.node);
  return before.problem.empty() && (stamp.contents == before.stamp || settling);
}

std::shared_ptr<const AliasFiles::Snapshot> AliasFiles::now(std::vector<std::shared_ptr<const Snapshot::File>>* fresh) {
  std::lock_guard hold(mutex_);
  bool changed = !snapshot_;
  auto next = std::make_shared<Snapshot>();
  for (size_t i = 0; i < paths_.size(); ++i) {
    auto before = snapshot_ ? snapshot_->files[i] : nullptr;
    bool same = before && holds(i, *before);
    next->files.push_back(same ? before : load(paths_[i]));
    if (same) continue;
    changed = true;
    const Snapshot::File& read = *next->files.back();
    if (fresh && (!before || before->stamp != read.stamp || before->problem != read.problem)) fresh->push_back(next->files.back());
  }
  if (changed) snapshot_ = std::move(next);
  return snapshot_;
}

}  // namespace local
