// PosixStorage: a directory of a real file system. Owns the descriptor of that directory; every other name is opened below it,
// never through a symbolic link. Any thread.
#pragma once

#include "spool/storage.h"

namespace veredus {

class PosixStorage final : public Storage {
 public:
  static Result<std::unique_ptr<PosixStorage>> open_directory(const std::string& path);  // the directory must exist
  ~PosixStorage() override;
  PosixStorage(const PosixStorage&) = delete;

  Result<std::shared_ptr<File>> open(const std::string& name, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& name) override;
  Status make_directory(const std::string& name) override;
  Status sync_directory(const std::string& name) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<FreeSpace> free_space() override;
  Result<std::unique_ptr<StorageLock>> lock(const std::string& name, LockKind kind) override;

 private:
  explicit PosixStorage(int directory) : directory_(directory) {}
  int directory_;
};

}  // namespace veredus
