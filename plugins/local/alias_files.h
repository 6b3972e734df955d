// AliasFiles: the files of aliases as they are now. Read again when one has changed; while one is being written, what it said before holds.
// Any thread; blocking.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "aliases.h"

namespace local {

class AliasFiles {
 public:
  // One state of all files.
  struct Snapshot {
    struct File {
      std::string path;
      Aliases aliases;
      std::string problem;  // it cannot be read: names may be in it that nobody sees
      uint64_t stamp = 0, node = 0;  // of its contents, and which file it was; 0: none
    };
    std::vector<std::shared_ptr<const File>> files;
    // The first file that has the name; `path` gets its path.
    const Alias* find(const std::string& name, std::string* path = nullptr) const;
    std::string problem() const;
    size_t size() const;
  };

  explicit AliasFiles(std::vector<std::string> paths) : paths_(std::move(paths)), gone_(paths_.size()) {}
  // `fresh` gets what was read anew, to be logged.
  std::shared_ptr<const Snapshot> now(std::vector<std::shared_ptr<const Snapshot::File>>* fresh = nullptr);
  const std::vector<std::string>& paths() const { return paths_; }

 private:
  const std::vector<std::string> paths_;
  bool holds(size_t index, const Snapshot::File& before);
  std::mutex mutex_;
  std::vector<int64_t> gone_;  // when a file was first seen missing; 0: it is there
  std::shared_ptr<const Snapshot> snapshot_;
};

// A whole file of at most `most` octets. False: `problem` says why; ENOENT leaves it empty when that is no problem.
bool read_file(const std::string& path, size_t most, bool may_be_missing, std::string& out, std::string& problem);

}  // namespace local
