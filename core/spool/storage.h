// Storage: the only way the spool touches a file system. Names are relative to the spool's directory. Two implementations:
// PosixStorage, and PowerCutStorage for tests, which forgets whatever was not synced. Calls block; any thread.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace veredus {

class File {
 public:
  virtual ~File() = default;
  virtual Result<size_t> read(uint64_t offset, char* out, size_t count) = 0;  // fewer octets only at the end of the file
  virtual Status write(uint64_t offset, std::span<const iovec> pieces) = 0;   // all or an error
  virtual Status sync() = 0;                                                  // fdatasync: data and size
  virtual Status truncate(uint64_t size) = 0;
  virtual Status preallocate(uint64_t size) = 0;  // an empty file becomes `size` written zeros
  virtual Result<uint64_t> size() = 0;
};

enum class OpenMode { read, write, create };  // create: the name must not exist yet
enum class LockKind { shared, exclusive };

struct FreeSpace {
  uint64_t octets = 0;
  uint64_t inodes = 0;
};

// Held until destroyed; gone with the process.
class StorageLock {
 public:
  virtual ~StorageLock() = default;
};

class Storage {
 public:
  virtual ~Storage() = default;
  virtual Result<std::shared_ptr<File>> open(const std::string& name, OpenMode mode) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& name) = 0;
  virtual Status make_directory(const std::string& name) = 0;  // ok when it is there already
  virtual Status sync_directory(const std::string& name) = 0;  // "" is the spool's own directory
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;  // file names, sorted
  virtual Result<FreeSpace> free_space() = 0;
  // Errc::busy with the owner's pid in the text when another process holds it.
  virtual Result<std::unique_ptr<StorageLock>> lock(const std::string& name, LockKind kind) = 0;
};

Status write_all(File& file, uint64_t offset, std::string_view octets);
Result<std::string> read_exactly(File& file, uint64_t offset, size_t count);  // Errc::corrupt when the file is shorter
Result<std::string> read_whole(Storage& storage, const std::string& name, size_t most);

}  // namespace veredus
