// forward: what a user's .forward says. mailbox: the user's mailbox, or the command in its place. pipe, file: something that an aliases
// file or a .forward names, which is looked up there again, as the daemon's word is not enough. virtual: a mailbox of somebody who is no
// user.
#include "jobs.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <charconv>

#include "command.h"
#include "forward.h"
#include "identity.h"
#include "local/aliases.h"
#include "mailbox.h"

namespace local {

namespace {

Report refused(const std::string& text) {
  return Report::of(451, 3, 5, text);
}

Fields answer_of(const Report& report) {
  Fields out;
  report.put(out);
  return out;
}

std::string with_user(std::string path, const User& user) {
  for (auto [word, value] : {std::pair(std::string("{user}"), &user.name), std::pair(std::string("{home}"), &user.home)})
    for (size_t at; (at = path.find(word)) != path.npos;) path.replace(at, word.size(), *value);
  return path;
}

class Job {
 public:
  Job(const HelperOptions& options, const Fields& request, int message, pid_t parent)
      : options_(options),
        request_(request),
        parent_(parent),
        message_(message, std::string(request.get("sender")), std::string(request.get("head"))) {
    for (auto [name, member] : {std::pair("sender", &Delivery::sender),
                                {"recipient", &Delivery::recipient},
                                {"original", &Delivery::original},
                                {"local", &Delivery::local},
                                {"domain", &Delivery::domain},
                                {"extension", &Delivery::extension}})
      delivery_.*member = request.get(name);
  }

  Fields run() {
    std::string_view op = request_.get("op");
    if (too_late()) return answer_of(Report::of(451, 3, 2, "the helper had too much to do"));
    if (op == "forward") return forward();
    if (op == "mailbox") return answer_of(mailbox());
    if (op == "pipe" || op == "file") return answer_of(named_thing(op == "pipe"));
    if (op == "virtual") return answer_of(virtual_mailbox());
    return answer_of(refused("the helper does not know what to do"));
  }

 private:
  // The daemon counts what was not begun in time as not done, and will ask again.
  bool too_late() const {
    std::string_view text = request_.get("until");
    int64_t until = 0;
    if (text.empty()) return false;
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return std::from_chars(text.data(), text.data() + text.size(), until).ec != std::errc() ||
           now.tv_sec * 1000 + now.tv_nsec / 1'000'000 > until;
  }
  std::optional<Report> find(const std::string& name) { return take(find_user(options_.passwd, name), "user '" + name + "'"); }
  std::optional<Report> take(const UserAnswer& answer, const std::string& who) {
    if (answer.kind == UserAnswer::Kind::unknown) return Report::of(451, 3, 0, who + " cannot be looked up: " + answer.problem);
    if (answer.kind == UserAnswer::Kind::absent) return Report::of(550, 1, 1, who + " does not exist");
    user_ = answer.user;
    return std::nullopt;
  }
  std::optional<Report> become_user(gid_t spool_group = 0) {
    if (auto failed = become(user_, spool_group)) return failed;
    follow_parent(parent_);
    return std::nullopt;
  }
  std::optional<Report> become_named(gid_t spool_group = 0) {
    if (auto failed = find(std::string(request_.get("user")))) return failed;
    return become_user(spool_group);
  }

  Fields forward();
  Report mailbox();
  Report named_thing(bool command);
  std::optional<Report> become_by_alias(bool command);
  std::optional<Report> check_forward(bool command);
  Report virtual_mailbox();
  Report write_file(const std::string& path);
  MailboxOptions locks() const { return {options_.lock_wait, options_.stale_lock}; }
  void bound_files() const;

  const HelperOptions& options_;
  const Fields& request_;
  const pid_t parent_;
  Message message_;
  Delivery delivery_;
  User user_;
};

bool names(const std::vector<Target>& targets, bool command, std::string_view text) {
  return std::any_of(targets.begin(), targets.end(), [&](const Target& one) {
    return one.kind == (command ? Target::Kind::pipe : Target::Kind::file) && one.text == text;
  });
}

std::string target_text(const Target& target) {
  return std::to_string(static_cast<int>(target.kind)) + ":" + (target.exact ? "1" : "0") + ":" + std::to_string(target.code) + ":" +
         target.text;
}

Fields Job::forward() {
  if (auto failed = become_named()) return answer_of(*failed);
  Forward found = read_forward(user_, options_.forward, delivery_.extension);
  if (found.failure) return answer_of(*found.failure);
  Fields out = answer_of(Report::of(250, 0, 0, found.found ? found.path : ""));
  if (found.found)
    for (const Target& target : found.list.targets) out.add("target", target_text(target));
  for (const std::string& problem : found.list.problems) out.add("problem", problem);
  return out;
}

void Job::bound_files() const {
  if (options_.file_limit == 0) return;
  rlimit limit{options_.file_limit, options_.file_limit};
  setrlimit(RLIMIT_FSIZE, &limit);
}

// Absolute; with a / behind, a Maildir.
Report Job::write_file(const std::string& path) {
  if (path == "/dev/null") return Report::of(250, 1, 5, "Discarded");
  bound_files();
  if (!path.ends_with('/')) return append_to_mailbox(path, message_, locks());
  std::string whole = path.substr(0, path.size() - 1);
  size_t slash = whole.rfind('/');
  return store_in_maildir(slash == 0 ? "/" : whole.substr(0, slash), whole.substr(slash + 1), message_, options_.hostname);
}

Report Job::mailbox() {
  if (auto failed = find(std::string(request_.get("user")))) return *failed;
  bool command = !options_.mailbox_command.empty();
  std::string path = with_user(options_.mailbox, user_);
  bool shared = !command && options_.mailbox.starts_with('/') && !path.ends_with('/');
  if (auto failed = become_user(shared ? spool_group_of(path.substr(0, path.rfind('/'))) : 0)) return *failed;
  if (command) return run_command(options_.mailbox_command, user_, delivery_, message_, options_.time_limit);
  std::string below = path.starts_with(user_.home + "/") ? path.substr(user_.home.size() + 1) : "";
  if (!path.ends_with('/') || below.empty()) return write_file(path);
  return store_in_maildir(user_.home, below, message_, options_.hostname);
}

// Whose file of aliases it is, runs it; what root's says, the user for that runs.
std::optional<Report> Job::become_by_alias(bool command) {
  std::string path(request_.get("source")), text(request_.get("text"));
  if (std::find(options_.aliases.begin(), options_.aliases.end(), path) == options_.aliases.end())
    return refused(path + " is no file of aliases of the helper; its commands and files need --aliases=" + path);
  Fd file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat info {};
  if (!file || fstat(file.get(), &info) != 0) return failure_of(errno, "opening " + path);
  if (!S_ISREG(info.st_mode) || (info.st_mode & S_IWOTH)) return refused(path + " is no regular file, or writable for everybody");
  std::string octets(static_cast<size_t>(std::min<off_t>(info.st_size, static_cast<off_t>(Aliases::kMostOctets))), '\0');
  ssize_t got = pread(file.get(), octets.data(), octets.size(), 0);
  if (got < 0) return failure_of(errno, "reading " + path);
  octets.resize(static_cast<size_t>(got));
  if (!Aliases::parse(octets).names(command ? Target::Kind::pipe : Target::Kind::file, text))
    return refused(path + " does not name that any more");
  UserAnswer who = info.st_uid == 0 ? find_user(options_.passwd, options_.default_user) : find_user(options_.passwd, info.st_uid);
  if (auto failed = take(who, info.st_uid == 0 ? "user '" + options_.default_user + "'" : "the owner of " + path)) return failed;
  return become_user();
}

std::optional<Report> Job::check_forward(bool command) {
  if (auto failed = become_named()) return failed;
  Forward found = read_forward(user_, options_.forward, delivery_.extension);
  if (found.failure) return found.failure;
  if (!names(found.list.targets, command, request_.get("text")))
    return refused("the .forward of '" + user_.name + "' does not name that any more");
  return std::nullopt;
}

Report Job::named_thing(bool command) {
  auto failed = request_.get("source").empty() ? check_forward(command) : become_by_alias(command);
  if (failed) return *failed;
  std::string text(request_.get("text"));
  return command ? run_command(text, user_, delivery_, message_, options_.time_limit) : write_file(text);
}

Report Job::virtual_mailbox() {
  std::string path(request_.get("text"));
  if (options_.virtual_root.empty()) return refused("virtual mailboxes need --virtual-root and --virtual-user of the helper");
  bool odd = path.empty() || path[0] == '/' || path.find("..") != path.npos || path.find('\0') != path.npos;
  if (odd) return refused("'" + path.substr(0, 80) + "' is no path below " + options_.virtual_root);
  if (auto failed = find(options_.virtual_user)) return *failed;
  if (auto failed = become_user()) return *failed;
  bound_files();
  if (path.ends_with('/')) return store_in_maildir(options_.virtual_root, path, message_, options_.hostname);
  return append_to_mailbox(options_.virtual_root + "/" + path, message_, locks());
}

}  // namespace

Fields do_job(const HelperOptions& options, const Fields& request, int message, pid_t parent) {
  return Job(options, request, message, parent).run();
}

}  // namespace local
