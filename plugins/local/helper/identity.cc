// setgroups, setresgid, setresuid, and the proof.
#include "identity.h"

#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace local {

namespace {

Report failed(const std::string& doing) {
  return Report::of(451, 3, 0, doing + ": " + std::strerror(errno));
}

bool take_groups(const User& user, gid_t more) {
  if (initgroups(user.name.c_str(), user.gid) != 0) return false;
  if (more == 0) return true;
  std::vector<gid_t> groups(static_cast<size_t>(std::max(0, getgroups(0, nullptr))));
  int count = getgroups(static_cast<int>(groups.size()), groups.data());
  if (count < 0) return false;
  groups.resize(static_cast<size_t>(count));
  groups.push_back(more);
  return setgroups(groups.size(), groups.data()) == 0;
}

// Nothing of root is left, and cannot be had again.
bool proven(const User& user) {
  uid_t uid[3];
  gid_t gid[3];
  if (getresuid(&uid[0], &uid[1], &uid[2]) != 0 || getresgid(&gid[0], &gid[1], &gid[2]) != 0) return false;
  for (int i = 0; i < 3; ++i)
    if (uid[i] != user.uid || gid[i] != user.gid) return false;
  return setuid(0) != 0 && setresuid(0, 0, 0) != 0;
}

}  // namespace

std::optional<Report> become(const User& user, gid_t spool_group) {
  if (user.uid == 0 || user.gid == 0) return Report::of(451, 3, 5, "nothing is delivered as root; give root an alias");
  umask(077);
  if (geteuid() != 0) {
    if (user.uid == geteuid() && user.uid == getuid()) return std::nullopt;
    return Report::of(451, 3, 5, "this helper is no root and delivers to its own user only, not to '" + user.name + "'");
  }
  if (!take_groups(user, spool_group)) return failed("cannot take the groups of '" + user.name + "'");
  if (setresgid(user.gid, user.gid, user.gid) != 0 || setresuid(user.uid, user.uid, user.uid) != 0)
    return failed("cannot become '" + user.name + "'");
  if (!proven(user)) return Report::of(451, 3, 0, "could not become '" + user.name + "' for good");
  return std::nullopt;
}

gid_t spool_group_of(const std::string& directory) {
  struct stat info {};
  if (geteuid() != 0 || stat(directory.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return 0;
  bool by_group = info.st_uid == 0 && (info.st_mode & S_IWGRP) && !(info.st_mode & S_IWOTH);
  return by_group ? info.st_gid : 0;
}

void follow_parent(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);  // a change of user clears it
  if (getppid() != parent) _exit(1);
}

}  // namespace local
