// Files in, files out, and the loader's word on what was written. Nothing that exists is changed.
#include "main/migrate.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "migrate/migration.h"
#include "plugin/prepare.h"

namespace veredus {

namespace {

constexpr off_t kLargestFile = 64 << 20;
constexpr const char* kUsage = "usage: veredus migrate postfix DIR [--to DIR]";

int complain(const std::string& text, int code) {
  std::fprintf(stderr, "veredus: %s\n", text.c_str());
  return code;
}

Error system_error(const std::string& doing) { return fail(errno == EACCES ? Errc::refused : Errc::io, doing + ": " + std::strerror(errno)); }

Result<std::string> read_file(const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return system_error(path);
  struct stat info {};
  Result<std::string> out = std::string();
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) out = fail(Errc::invalid, path + ": no regular file");
  else if (info.st_size > kLargestFile) out = fail(Errc::limit, path + ": larger than 64 MiB");
  char part[65536];
  while (out && out->size() <= static_cast<size_t>(kLargestFile)) {
    ssize_t got = read(fd, part, sizeof part);
    if (got < 0) out = system_error(path);
    if (got <= 0) break;
    out->append(part, static_cast<size_t>(got));
  }
  close(fd);
  return out;
}

// Never over a file that is there; a secret is given to the daemon's user, if there is one.
Status write_file(const std::string& path, const std::string& text, bool secret) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, secret ? 0600 : 0644);
  if (fd < 0) return system_error(path);
  Status status;
  for (size_t done = 0; done < text.size() && status;) {
    ssize_t put = write(fd, text.data() + done, text.size() - done);
    if (put <= 0) status = system_error(path);
    else done += static_cast<size_t>(put);
  }
  const passwd* user = secret && geteuid() == 0 ? getpwnam("veredus") : nullptr;
  if (user && fchown(fd, user->pw_uid, user->pw_gid) != 0) status = system_error(path);
  if (close(fd) != 0 && status) status = system_error(path);
  return status;
}

std::string hostname() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "localhost.localdomain";
}

Result<std::string> make_target(const std::string& wanted) {
  if (mkdir(wanted.c_str(), 0755) != 0 && errno != EEXIST) return system_error(wanted);
  char path[PATH_MAX];
  if (!realpath(wanted.c_str(), path)) return system_error(wanted);
  return std::string(path);
}

Status write_all(const std::string& target, const std::vector<migrate::OutputFile>& files) {
  for (const migrate::OutputFile& file : files)
    if (access((target + "/" + file.name).c_str(), F_OK) == 0)
      return fail(Errc::exists, target + "/" + file.name + " exists; name another directory with --to");
  for (const migrate::OutputFile& file : files)
    if (Status written = write_file(target + "/" + file.name, file.text, file.secret); !written) return written;
  return {};
}

int check(const std::string& target) {
  auto prepared = load_plugin_config(target, Catalogue::standard());
  if (prepared) return std::printf("%s: the configuration is good\n", target.c_str()), EX_OK;
  std::printf("%s: the configuration has errors, mend them before it is used:\n%s", target.c_str(), prepared.error_text().c_str());
  return EX_CONFIG;
}

struct Call {
  std::string from, to = "./veredus-conf.d";
};

Result<Call> read_call(const std::vector<std::string>& arguments) {
  Call out;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--to" && i + 1 < arguments.size()) out.to = arguments[++i];
    else if (arguments[i].starts_with("-") || !out.from.empty()) return fail(Errc::invalid, kUsage);
    else out.from = arguments[i];
  }
  if (out.from.empty() || out.to.empty()) return fail(Errc::invalid, kUsage);
  return out;
}

}  // namespace

int migrate_postfix_command(std::vector<std::string> arguments) {
  auto call = read_call(arguments);
  if (!call) return complain(call.error().text, EX_USAGE);
  if (access((call->from + "/main.cf").c_str(), R_OK) != 0) return complain(call->from + "/main.cf: " + std::strerror(errno), EX_NOINPUT);
  auto target = make_target(call->to);
  if (!target) return complain(target.error().text, EX_CANTCREAT);
  auto migration = migrate::migrate_postfix(call->from, *target, hostname(), read_file);
  if (!migration) return complain(migration.error().text, EX_NOINPUT);
  if (Status written = write_all(*target, migration->files); !written) return complain(written.error().text, EX_CANTCREAT);
  for (const migrate::OutputFile& file : migration->files) std::printf("wrote %s/%s%s\n", target->c_str(), file.name.c_str(), file.secret ? " (secret)" : "");
  bool secrets = std::any_of(migration->files.begin(), migration->files.end(), [](const migrate::OutputFile& file) { return file.secret; });
  if (secrets && (geteuid() != 0 || !getpwnam("veredus"))) std::printf("%s: look at: the secret files must belong to the user veredus: chown veredus FILE\n", target->c_str());
  for (const migrate::Note& note : migration->notes) std::printf("%s\n", migrate::note_line(note).c_str());
  return check(*target);
}

}  // namespace veredus
