// Trusting a file of a user no more than it deserves.
#include "forward.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "fd.h"

namespace local {

namespace {

constexpr size_t kMostOctets = 256u << 10, kMostTargets = 1'000;

// A part of a file's name that an address has chosen.
bool good_extension(const std::string& extension) {
  if (extension.empty() || extension.size() > 64 || extension[0] == '.') return false;
  for (char c : extension)
    if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) > 0x7e || c == '/') return false;
  return true;
}

Report unsafe(const std::string& path, const std::string& why) {
  return Report::of(451, 3, 5, path + " " + why);
}

std::optional<Report> judge(const std::string& path, int fd, const User& user) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return failure_of(errno, "looking at " + path);
  if (!S_ISREG(info.st_mode)) return unsafe(path, "is no regular file");
  if (info.st_uid != user.uid && info.st_uid != 0) return unsafe(path, "belongs to somebody else");
  if (info.st_mode & (S_IWGRP | S_IWOTH)) return unsafe(path, "may be written by others than its owner");
  if (info.st_size > static_cast<off_t>(kMostOctets)) return unsafe(path, "is too large");
  return std::nullopt;
}

std::optional<Report> read_all(const std::string& path, int fd, std::string& out) {
  char piece[4'096];
  for (;;) {
    ssize_t got = read(fd, piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failure_of(errno, "reading " + path);
    if (got == 0) return std::nullopt;
    out.append(piece, static_cast<size_t>(got));
    if (out.size() > kMostOctets) return unsafe(path, "is too large");
  }
}

bool nothing_there(int error) {
  return error == ENOENT || error == ENOTDIR;
}

Forward read_one(int home, const User& user, const std::string& name) {
  Forward out;
  out.path = user.home + "/" + name;
  Fd file(openat(home, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file && nothing_there(errno)) return out;
  out.found = true;
  if (!file) out.failure = errno == ELOOP ? unsafe(out.path, "is a symbolic link") : failure_of(errno, "opening " + out.path);
  std::string text;
  if (!out.failure) out.failure = judge(out.path, file.get(), user);
  if (!out.failure) out.failure = read_all(out.path, file.get(), text);
  if (out.failure) return out;
  out.list = parse_target_lines(text);
  if (out.list.targets.size() > kMostTargets) out.failure = unsafe(out.path, "has more than " + std::to_string(kMostTargets) + " targets");
  if (out.list.targets.empty() && !out.list.problems.empty()) out.failure = unsafe(out.path, "makes no sense: " + out.list.problems[0]);
  if (out.list.targets.empty()) out.found = out.failure.has_value();
  return out;
}

}  // namespace

Forward read_forward(const User& user, const std::string& name, const std::string& extension) {
  Forward out;
  if (name.empty()) return out;
  Fd home(open(user.home.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!home && nothing_there(errno)) return out;
  struct stat info {};
  if (!home || fstat(home.get(), &info) != 0)
    out.failure = failure_of(errno, "opening the home of '" + user.name + "'");
  else if ((info.st_mode & S_IWOTH) && !(info.st_mode & S_ISVTX))
    out.failure = unsafe("the home of '" + user.name + "'", "is writable for everybody");
  if (out.failure) return out;
  if (good_extension(extension)) out = read_one(home.get(), user, name + "+" + extension);
  return out.found ? out : read_one(home.get(), user, name);
}

}  // namespace local
