// getpwnam_r and getpwuid_r, and the file of tests.
#include "users.h"

#include <pwd.h>
#include <stdio.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

namespace local {

namespace {

constexpr size_t kLongestName = 64, kMostRecord = 1u << 20;

UserAnswer found(const passwd& entry) {
  UserAnswer out;
  out.kind = UserAnswer::Kind::found;
  out.user = {entry.pw_name, entry.pw_dir ? entry.pw_dir : "", entry.pw_shell ? entry.pw_shell : "", entry.pw_uid, entry.pw_gid};
  if (out.user.home.empty()) out.user.home = "/";
  if (out.user.shell.empty()) out.user.shell = "/bin/sh";
  return out;
}

UserAnswer unknown(int error) {
  UserAnswer out;
  out.kind = UserAnswer::Kind::unknown;
  out.problem = std::strerror(error);
  return out;
}

// What a system says when it has no such user.
bool means_absent(int error) {
  return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
}

using Ask = std::function<int(passwd*, char*, size_t, passwd**)>;

UserAnswer ask_system(const Ask& ask) {
  std::vector<char> buffer(4096);
  for (;;) {
    passwd entry{}, *result = nullptr;
    int error = ask(&entry, buffer.data(), buffer.size(), &result);
    if (result) return found(*result);
    if (error == EINTR) continue;
    if (error != ERANGE) return means_absent(error) ? UserAnswer() : unknown(error);
    if (buffer.size() >= kMostRecord) return unknown(ERANGE);
    buffer.resize(buffer.size() * 2);
  }
}

UserAnswer ask_file(const std::string& file, const std::function<bool(const passwd&)>& wanted) {
  std::unique_ptr<FILE, int (*)(FILE*)> in(fopen(file.c_str(), "re"), fclose);
  if (!in) return unknown(errno);
  return ask_system([&](passwd* entry, char* buffer, size_t size, passwd** result) {
    int error = 0;
    while ((error = fgetpwent_r(in.get(), entry, buffer, size, result)) == 0)
      if (wanted(*entry)) return 0;
    *result = nullptr;
    return error;
  });
}

bool good_name(const std::string& name) {
  return !name.empty() && name.size() <= kLongestName && name.find_first_of(std::string(":/\n\0 ", 5)) == name.npos && name[0] != '.' &&
         name[0] != '-';
}

}  // namespace

UserAnswer find_user(const std::string& file, const std::string& name) {
  if (!good_name(name)) return {};
  if (!file.empty()) return ask_file(file, [&](const passwd& entry) { return name == entry.pw_name; });
  return ask_system(
      [&](passwd* entry, char* buffer, size_t size, passwd** result) { return getpwnam_r(name.c_str(), entry, buffer, size, result); });
}

UserAnswer find_user(const std::string& file, uid_t uid) {
  if (!file.empty()) return ask_file(file, [&](const passwd& entry) { return uid == entry.pw_uid; });
  return ask_system(
      [&](passwd* entry, char* buffer, size_t size, passwd** result) { return getpwuid_r(uid, entry, buffer, size, result); });
}

UserAnswer UserCache::find(const std::string& name, int64_t now_ms) {
  {
    std::lock_guard hold(mutex_);
    auto known = entries_.find(name);
    if (known != entries_.end() && known->second.until_ms > now_ms) return known->second.answer;
  }
  UserAnswer answer = find_user(file_, name);
  if (answer.kind == UserAnswer::Kind::unknown) return answer;
  std::lock_guard hold(mutex_);
  auto known = entries_.find(name);
  if (known != entries_.end()) {
    ages_.erase(known->second.age);
    entries_.erase(known);
  }
  while (!ages_.empty() && entries_.size() >= most_) {
    entries_.erase(ages_.front());
    ages_.pop_front();
  }
  // That somebody is missing is soon asked again: accounts are made, then written to.
  int64_t keep = answer.kind == UserAnswer::Kind::found ? keep_ms_ : keep_ms_ / 10;
  ages_.push_back(name);
  entries_.emplace(name, Entry{answer, now_ms + keep, std::prev(ages_.end())});
  return answer;
}

void UserCache::clear() {
  std::lock_guard hold(mutex_);
  entries_.clear();
  ages_.clear();
}

}  // namespace local
