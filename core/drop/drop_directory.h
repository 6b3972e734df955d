// DropDirectory: the files of the drop directory. Believes no name and no file: links, foreign files, files that are still being
// written are told apart. Every call blocks; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "drop/submission.h"

namespace veredus {

struct DropEntry {
  enum class Kind : uint8_t { fresh, claimed, stale, foreign } kind = Kind::foreign;
  std::string name;
  std::string rest;  // of fresh and claimed: the part of the name that stays
  MessageId id;      // claimed
};

struct DropFile {
  uint32_t uid = 0;  // whose it is: the kernel says so
  WallTime written{};
  std::string octets;
};

class DropDirectory {
 public:
  explicit DropDirectory(std::string path) : path_(std::move(path)) {}
  const std::string& path() const { return path_; }

  // Everything there that wants attention, oldest first. Not found: an empty list.
  Result<std::vector<DropEntry>> list(WallTime now) const;
  // Ids under which messages may have been stored: in the names of claimed files, and said in files.
  Result<std::vector<MessageId>> promised(WallTime now) const;
  Result<DropFile> read(const std::string& name) const;  // corrupt: it is no file that veredus-drop can have written
  Status rename(const std::string& from, const std::string& to) const;
  Status remove(const std::string& name) const;

 private:
  Result<DropFile> read_at_most(const std::string& name, size_t most) const;

  std::string path_;
};

// "new.REST", "work.ID.REST"; everything that was set aside is "bad.NAME" and no entry.
DropEntry entry_of(std::string_view name);
std::string claimed_name(MessageId id, std::string_view rest);
std::string aside_name(std::string_view name);

}  // namespace veredus
