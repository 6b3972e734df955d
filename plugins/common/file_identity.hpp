// FileIdentity: which file stands there now. A changed one is loaded again. Values; any thread.
#ifndef VEREDUS_PLUGINS_COMMON_FILE_IDENTITY_HPP
#define VEREDUS_PLUGINS_COMMON_FILE_IDENTITY_HPP

#include <sys/stat.h>

#include <cstdint>
#include <string>

namespace common {

struct FileIdentity {
  uint64_t device = 0, inode = 0, size = 0;
  int64_t seconds = 0, nanos = 0;
  bool exists = false;
  bool operator==(const FileIdentity&) const = default;
};

inline FileIdentity identity_from(const struct stat& info) {
  return {info.st_dev, info.st_ino, static_cast<uint64_t>(info.st_size), info.st_mtim.tv_sec, info.st_mtim.tv_nsec, true};
}

inline FileIdentity identity_of(const std::string& file) {
  struct stat info{};
  return stat(file.c_str(), &info) == 0 ? identity_from(info) : FileIdentity{};
}

}  // namespace common
#endif
