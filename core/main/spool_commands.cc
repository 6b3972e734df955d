// The commands print; what they do is in spool/spool_tools.h.
#include "main/spool_commands.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "config/load.h"
#include "control/message_text.h"
#include "main/spool_setup.h"
#include "plugin/prepare.h"
#include "spool/posix_storage.h"
#include "spool/spool_tools.h"

namespace veredus {

namespace {

int complain(const std::string& text, int code) {
  std::fprintf(stderr, "veredus: %s\n", text.c_str());
  return code;
}

void say(std::string_view line) { std::printf("%.*s\n", static_cast<int>(line.size()), line.data()); }
void warn(std::string_view line) { std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data()); }

// A file, or for "" and "-" the standard stream. Closes what it opened.
class Channel {
 public:
  Channel(const std::vector<std::string>& arguments, int flags, int standard) : fd_(standard) {
    name_ = arguments.empty() || arguments[0] == "-" ? std::string() : arguments[0];
    if (!name_.empty()) fd_ = open(name_.c_str(), flags | O_CLOEXEC, 0600);
  }
  ~Channel() {
    if (!name_.empty() && fd_ >= 0) close(fd_);
  }
  Channel(const Channel&) = delete;
  bool ok() const { return fd_ >= 0; }
  Error failure(const char* doing) const {
    return fail(errno == ENOSPC ? Errc::no_space : Errc::io, std::string(doing) + " " + (name_.empty() ? "the stream" : name_) + ": " + std::strerror(errno));
  }

  Status write(std::string_view octets) {
    while (!octets.empty()) {
      ssize_t taken = ::write(fd_, octets.data(), octets.size());
      if (taken < 0 && errno == EINTR) continue;
      if (taken <= 0) return failure("writing");
      octets.remove_prefix(static_cast<size_t>(taken));
    }
    return {};
  }
  Status finish() {
    if (!name_.empty() && fsync(fd_) != 0 && errno != EINVAL) return failure("syncing");
    return {};
  }
  Result<std::string> read(size_t most) {
    std::string out(most, '\0');
    ssize_t got = ::read(fd_, out.data(), most);
    if (got < 0) return failure("reading");
    out.resize(static_cast<size_t>(got));
    return out;
  }

 private:
  std::string name_;
  int fd_;
};

using Work = std::function<int(const Settings&, Storage&)>;

int with_spool(const SpoolInvocation& call, size_t most_arguments, const Work& work) {
  if (call.arguments.size() > most_arguments) return complain("too many arguments; 'veredus help' shows the usage", EX_USAGE);
  auto config = load_config(call.conf, options_with_plugins(Catalogue::standard()));
  if (!config) return std::fputs(config.error_text().c_str(), stderr), EX_CONFIG;
  const Settings& settings = *config.value().settings;
  auto storage = PosixStorage::open_directory(settings.spool.path);
  if (!storage) return complain(storage.error().text, storage.error().code == Errc::refused ? EX_NOPERM : EX_NOINPUT);
  int code = work(settings, **storage);
  return std::fflush(stdout) == 0 ? code : complain("writing to standard output failed", EX_IOERR);
}

int failed(const Error& error) { return complain(error.text, exit_code_for(error.code)); }

// What is stored as root the worker could not read.
Status become_worker_user(const std::string& user) {
  if (getuid() != 0 || user.empty()) return {};
  const passwd* entry = getpwnam(user.c_str());
  if (!entry) return fail(Errc::not_found, "core: user: there is no user '" + user + "'");
  if (initgroups(user.c_str(), entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0)
    return fail(Errc::refused, "cannot become the user '" + user + "'");
  return {};
}

std::string counted(uint64_t count, const std::string& noun) { return std::to_string(count) + " " + noun + (count == 1 ? "" : "s"); }

int report_transfer(const SpoolInvocation& call, const char* done, const Result<TransferReport>& report) {
  if (!report) return failed(report.error());
  if (call.json) warn(nlohmann::ordered_json{{"messages", report->messages}, {"skipped", report->skipped}}.dump());
  else warn(counted(report->messages, "message") + " " + done + ", " + std::to_string(report->skipped) + " skipped");
  return EX_OK;
}

}  // namespace

int spool_verify(const SpoolInvocation& call) {
  return with_spool(call, 0, [&](const Settings&, Storage& storage) {
    auto report = verify_spool(storage, call.json ? SpoolLine(warn) : SpoolLine(say));
    if (!report) return failed(report.error());
    if (call.json) {
      say(nlohmann::ordered_json{{"segments", report->segments}, {"records", report->records}, {"messages", report->messages},
                                 {"bodies", report->bodies}, {"octets", report->octets}, {"problems", report->problems},
                                 {"running", report->running}}.dump());
    } else {
      say(counted(report->messages, "unfinished message") + " in " + counted(report->segments, "segment") + " with " +
          counted(report->records, "record") + " and " + counted(report->bodies, "body file") + ", " + format_size(report->octets) + (report->octets < 1024 ? " octets" : "") +
          " read: " + (report->problems == 0 ? "everything is whole" : counted(report->problems, "problem")));
    }
    return report->problems == 0 ? EX_OK : EX_DATAERR;
  });
}

int spool_list(const SpoolInvocation& call) {
  return with_spool(call, 0, [&](const Settings&, Storage& storage) {
    auto print = [&](const StoredMessage& message) {
      std::string text = call.json ? message_line_json(message) : message_text(message);
      return std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    };
    Status listed = list_spool(storage, print);
    return listed ? EX_OK : failed(listed.error());
  });
}

int spool_export(const SpoolInvocation& call) {
  return with_spool(call, 1, [&](const Settings&, Storage& storage) {
    Channel out(call.arguments, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
    if (!out.ok()) return complain(out.failure("opening").text, EX_CANTCREAT);
    auto report = export_spool(storage, [&](std::string_view octets) { return out.write(octets); }, warn);
    if (Status synced = out.finish(); !synced) return failed(synced.error());
    return report_transfer(call, "exported", report);
  });
}

int spool_import(const SpoolInvocation& call) {
  return with_spool(call, 1, [&](const Settings& settings, Storage& storage) {
    Channel in(call.arguments, O_RDONLY, STDIN_FILENO);
    if (!in.ok()) return complain(in.failure("opening").text, EX_NOINPUT);
    if (Status changed = become_worker_user(settings.user); !changed) return failed(changed.error());
    RealClock clock;
    auto read = [&](size_t most) { return in.read(most); };
    return report_transfer(call, "imported", import_spool(storage, clock, spool_options(settings.spool), read, warn));
  });
}

}  // namespace veredus
