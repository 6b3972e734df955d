// Users of this host, from the system or, in tests, from a file in the form of passwd(5). Blocking.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace local {

struct User {
  std::string name, home, shell;
  uid_t uid = 0;
  gid_t gid = 0;
};

struct UserAnswer {
  enum class Kind : uint8_t { found, absent, unknown } kind = Kind::absent;  // unknown: it cannot be told now
  User user;
  std::string problem;
};

// `file` empty: the system's. Names that no user can have are absent without asking.
UserAnswer find_user(const std::string& file, const std::string& name);
UserAnswer find_user(const std::string& file, uid_t uid);

// Remembers answers for a while; bounded. Any thread.
class UserCache {
 public:
  UserCache(std::string file, size_t most, int64_t keep_ms) : file_(std::move(file)), most_(most), keep_ms_(keep_ms) {}
  UserAnswer find(const std::string& name, int64_t now_ms);
  void clear();

 private:
  struct Entry {
    UserAnswer answer;
    int64_t until_ms;
    std::list<std::string>::iterator age;
  };
  const std::string file_;
  const size_t most_;
  const int64_t keep_ms_;
  std::mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;
  std::list<std::string> ages_;  // the oldest first
};

}  // namespace local
