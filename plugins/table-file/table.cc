// Loading a file.
#include "table.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "kinds.h"

namespace table {

namespace {

constexpr uint64_t kMaxFile = uint64_t{4} << 30;

// What is read is what its identity says, or the next look finds another identity.
bool read_file(const std::string& file, std::string& text, common::FileIdentity& identity, std::string& error) {
  int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat info{};
  if (fd < 0 || fstat(fd, &info) != 0) {
    error = std::strerror(errno);
  } else if (!S_ISREG(info.st_mode)) {
    error = "not a file";
  } else if (static_cast<uint64_t>(info.st_size) > kMaxFile) {
    error = "larger than 4 GiB";
  } else {
    identity = common::identity_from(info);
    text.resize(static_cast<size_t>(info.st_size));
    size_t at = 0;
    for (ssize_t got = 1; at < text.size() && got > 0; at += static_cast<size_t>(got > 0 ? got : 0)) {
      got = read(fd, text.data() + at, text.size() - at);
      if (got < 0) error = std::strerror(errno);
    }
    text.resize(at);
  }
  if (fd >= 0) close(fd);
  return error.empty();
}

std::shared_ptr<Table> make(const Options& options, std::string_view text, std::string& error) {
  switch (options.kind) {
    case Kind::cidr:
      return make_cidr(options, text, error);
    case Kind::regex:
      return make_regex(options, text, error);
    case Kind::domain:
      return make_domain(options, text, error);
    case Kind::hash:
      break;
  }
  return make_hash(options, text, error);
}

}  // namespace

std::shared_ptr<const Table> load(const Options& options, std::string& error) {
  std::string text, problem;
  common::FileIdentity identity;
  bool absent = options.missing_is_empty && !common::identity_of(options.file).exists;
  if (!absent && !read_file(options.file, text, identity, problem)) {
    error = options.file + ": " + problem;
    return nullptr;
  }
  std::shared_ptr<Table> out = make(options, text, problem);
  if (!problem.empty()) {
    error = options.file + ":" + problem;
    return nullptr;
  }
  out->identity = identity;
  out->options = options;
  return out;
}

}  // namespace table
