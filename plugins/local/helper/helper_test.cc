// The helper's work, without changing who does it: mailboxes and what is wrong with them, Maildirs, .forward files, commands.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include <doctest/doctest.h>

#include "command.h"
#include "forward.h"
#include "identity.h"
#include "mailbox.h"
#include "options.h"

namespace fs = std::filesystem;
using namespace local;

namespace {

struct Rig {
  Rig() {
    char name[] = "/tmp/veredus-local-XXXXXX";
    root = mkdtemp(name);
    body("Subject: x\r\n\r\nhi\r\nFrom here on\r\n");
  }
  ~Rig() {
    close(fd);
    fs::remove_all(root);
  }
  void body(const std::string& text) {
    if (fd >= 0) close(fd);
    fd = memfd_create("test", MFD_CLOEXEC);
    REQUIRE(write_all(fd, text));
  }
  Message message() const { return {fd, "ann@a.test", "Delivered-To: bob@b.test\n"}; }
  std::string path(const std::string& name) const { return root + "/" + name; }
  void put(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    std::ofstream(path(name)) << text;
    chmod(path(name).c_str(), mode);
  }
  std::string text(const std::string& name) const {
    std::stringstream out;
    out << std::ifstream(path(name)).rdbuf();
    return out.str();
  }
  Report mailbox(const std::string& name) const { return append_to_mailbox(path(name), message(), {0, 300}); }
  User user(const std::string& home = "") const { return {"bob", home.empty() ? root : home, "/bin/sh", geteuid(), getegid()}; }
  std::string forward(const std::string& extension = "") const {
    Forward found = read_forward(user(), ".forward", extension);
    if (found.failure) return found.failure->text;
    std::string out = found.found ? "" : "none";
    for (const Target& target : found.list.targets) out += target.text + ";";
    return out;
  }
  Report command(const std::string& text, int limit = 20) const {
    Delivery delivery{"ann@a.test;`rm`$(x)", "bob+x@b.test", "Bob@b.test", "bob+x", "b.test", "x"};
    return run_command(text, user(), delivery, message(), limit);
  }

  std::string root;
  int fd = -1;
};

}  // namespace

TEST_CASE("a message is appended with a From line, quoted and separated") {
  Rig rig;
  rig.put("box", "old\n\n");
  CHECK(rig.mailbox("box").smtp == 250);
  std::string text = rig.text("box");
  CHECK(text.starts_with("old\n\nFrom ann@a.test "));
  CHECK(text.ends_with("\nDelivered-To: bob@b.test\nSubject: x\n\nhi\n>From here on\n\n"));
  CHECK(rig.mailbox("new").smtp == 250);
  struct stat info {};
  REQUIRE(stat(rig.path("new").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  CHECK_FALSE(fs::exists(rig.path("new.lock")));
  for (auto [before, after] : {std::pair("half a line", "half a line\n\n"), {"a line\n", "a line\n\n"}, {"x", "x\n\n"}, {"\n", "\n"}}) {
    rig.put("torn", before);
    CHECK(rig.mailbox("torn").smtp == 250);
    CHECK(rig.text("torn").starts_with(after + std::string("From ann@a.test ")));
  }
}

TEST_CASE("From lines are quoted wherever pieces are cut; stray carriage returns stay") {
  for (size_t cut = 1; cut < 12; ++cut) {
    std::string out, in = "From a\r\nb\rc\r\n\r\nFrom\r\nFrom d";
    Message::Sink sink = [&](std::string_view octets) { return out += octets, true; };
    LineFilter filter(true, sink);
    for (size_t at = 0; at < in.size(); at += cut) REQUIRE(filter.add(std::string_view(in).substr(at, cut)));
    REQUIRE(filter.end());
    CHECK(out == ">From a\nb\rc\n\nFrom\n>From d\n");
  }
}

TEST_CASE("mailboxes that are something else are refused and left alone") {
  Rig rig;
  rig.put("target", "secret");
  fs::create_symlink(rig.path("target"), rig.path("link"));
  fs::create_symlink(rig.path("missing"), rig.path("dangling"));
  fs::create_hard_link(rig.path("target"), rig.path("hard"));
  fs::create_directory(rig.path("directory"));
  REQUIRE(mkfifo(rig.path("fifo").c_str(), 0600) == 0);
  rig.put("odd", "x", 0606);
  rig.put("exec", "x", 0700);
  for (auto [name, why] : {std::pair("link", "symbolic link"),
                           {"dangling", "symbolic link"},
                           {"hard", "hard links"},
                           {"directory", "is a directory"},
                           {"fifo", "no regular file"},
                           {"odd", "odd permissions"},
                           {"exec", "odd permissions"}}) {
    Report report = rig.mailbox(name);
    CHECK_MESSAGE(report.smtp == 451, name);
    CHECK_MESSAGE(report.text.find(why) != std::string::npos, report.text);
  }
  CHECK(rig.text("target") == "secret");
  CHECK_FALSE(fs::exists(rig.path("missing")));
  if (geteuid() == 0) {
    rig.put("other", "x");
    REQUIRE(chown(rig.path("other").c_str(), 61'001, 61'001) == 0);
    CHECK(rig.mailbox("other").text.find("belongs to user 61001") != std::string::npos);
  }
}

TEST_CASE("a locked mailbox is waited for, and not for ever; an old lock file counts for nothing, a fresh one does") {
  Rig rig;
  rig.put("box", "");
  rig.put("box.lock", "1\n");
  CHECK(rig.mailbox("box").text.find("is locked") != std::string::npos);
  CHECK(fs::exists(rig.path("box.lock")));
  timespec old[2] = {{1'000'000, 0}, {1'000'000, 0}};
  REQUIRE(utimensat(AT_FDCWD, rig.path("box.lock").c_str(), old, 0) == 0);
  CHECK(append_to_mailbox(rig.path("box"), rig.message(), {5, 300}).smtp == 250);
  CHECK_FALSE(fs::exists(rig.path("box.lock")));
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  pid_t holder = fork();
  if (holder == 0) {
    int file = open(rig.path("box").c_str(), O_RDWR);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    bool held = fcntl(file, F_SETLK, &lock) == 0 && write(ready[1], "x", 1) == 1;
    pause();
    _exit(held ? 0 : 1);
  }
  char c;
  REQUIRE(read(ready[0], &c, 1) == 1);
  CHECK(rig.mailbox("box").text.find("is locked") != std::string::npos);
  kill(holder, SIGKILL);
  waitpid(holder, nullptr, 0);
  CHECK(rig.mailbox("box").smtp == 250);
  close(ready[0]), close(ready[1]);
}

TEST_CASE("what does not fit is cut back") {
  Rig rig;
  rig.put("box", std::string(1'000, 'o'));
  rig.body("Subject: x\r\n\r\n" + std::string(100'000, 'x') + "\r\n");
  pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    rlimit limit{50'000, 50'000};
    setrlimit(RLIMIT_FSIZE, &limit);
    Report report = rig.mailbox("box");
    _exit(report.smtp == 452 && report.enhanced[1] == 2 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  CHECK(rig.text("box") == std::string(1'000, 'o'));
}

TEST_CASE("Maildirs are made, links on the way are not followed") {
  Rig rig;
  CHECK(store_in_maildir(rig.root, "Maildir/", rig.message(), "mx.test").smtp == 250);
  auto first = fs::directory_iterator(rig.path("Maildir/new"))->path();
  std::stringstream text;
  text << std::ifstream(first).rdbuf();
  CHECK(text.str() == "Delivered-To: bob@b.test\nSubject: x\n\nhi\nFrom here on\n");
  CHECK(fs::is_empty(rig.path("Maildir/tmp")));
  fs::create_directory_symlink(rig.path("Maildir"), rig.path("link"));
  CHECK(store_in_maildir(rig.root, "link/", rig.message(), "mx.test").smtp == 451);
  CHECK(store_in_maildir(rig.root, "../x/", rig.message(), "mx.test").smtp == 451);
  REQUIRE(chmod(rig.path("Maildir").c_str(), 0777) == 0);
  CHECK(store_in_maildir(rig.root, "Maildir/", rig.message(), "mx.test").text.find("writable for everybody") != std::string::npos);
}

TEST_CASE(".forward: found, extended, empty, unsafe") {
  Rig rig;
  CHECK(rig.forward() == "none");
  rig.put(".forward", "# nothing\n");
  CHECK(rig.forward() == "none");
  rig.put(".forward", "carol@a.test\n\"|cat\"\n");
  rig.put(".forward+lists", "dan@a.test");
  CHECK(rig.forward() == "carol@a.test;cat;");
  CHECK(rig.forward("lists") == "dan@a.test;");
  CHECK(rig.forward("../lists") == "carol@a.test;cat;");
  rig.put(".forward", "this is no address\n");
  CHECK(rig.forward().find("makes no sense") != std::string::npos);
  rig.put(".forward", "carol@a.test", 0620);
  CHECK(rig.forward().find("may be written by others") != std::string::npos);
  fs::remove(rig.path(".forward"));
  fs::create_symlink("/etc/passwd", rig.path(".forward"));
  CHECK(rig.forward().find("symbolic link") != std::string::npos);
  fs::remove(rig.path(".forward"));
  fs::create_directory(rig.path(".forward"));
  CHECK(rig.forward().find("no regular file") != std::string::npos);
  CHECK_FALSE(read_forward(rig.user("/nonexistent"), ".forward", "").found);
  REQUIRE(chmod(rig.root.c_str(), 0777) == 0);
  CHECK(rig.forward().find("writable for everybody") != std::string::npos);
}

TEST_CASE("commands: input, environment, exit codes, status in the output") {
  Rig rig;
  CHECK(rig.command("cat > \"$HOME/in\"; env > \"$HOME/env\"").smtp == 250);
  CHECK(rig.text("in").starts_with("From ann@a.test "));
  CHECK(rig.text("in").ends_with("Delivered-To: bob@b.test\nSubject: x\n\nhi\nFrom here on\n"));
  std::string environment = rig.text("env");
  for (const char* row :
       {"PATH=/usr/bin:/bin\n", "SENDER=ann@a.test__rm___x_\n", "RECIPIENT=bob+x@b.test\n", "ORIGINAL_RECIPIENT=Bob@b.test\n", "USER=bob\n",
        "LOGNAME=bob\n", "SHELL=/bin/sh\n", "DOMAIN=b.test\n", "LOCAL=bob+x\n", "EXTENSION=x\n"})
    CHECK_MESSAGE(environment.find(row) != std::string::npos, row);
  CHECK(rig.command("exit 0").smtp == 250);
  CHECK(rig.command("exit 75").smtp == 451);
  CHECK(rig.command("exit 67").enhanced[1] == 1);
  CHECK(rig.command("exit 67").smtp == 550);
  CHECK(rig.command("exit 1").smtp == 550);
  CHECK(rig.command("kill -9 $$").smtp == 451);
  CHECK(rig.command("/nonexistent/program").smtp == 451);
  Report said = rig.command("echo 4.2.2 full today; exit 1");
  CHECK(said.smtp == 451);
  CHECK(said.enhanced[1] == 2);
  CHECK(said.text.ends_with("full today"));
  CHECK(rig.command("echo 5.7.1 no; exit 75").smtp == 550);
  CHECK(rig.command("echo 2.0.0 yes; exit 1").smtp == 550);
  CHECK(rig.command("yes | head -c 1000000; exit 1").text.size() < 500);
}

TEST_CASE("commands that do not end are ended, with what they started; those that leave something running are not waited for") {
  Rig rig;
  Report slow = rig.command("echo $$ > \"$HOME/pid\"; sleep 1000", 1);
  CHECK(slow.smtp == 451);
  CHECK(slow.text.find("more than 1 s") != std::string::npos);
  pid_t pid = std::stoi(rig.text("pid"));
  CHECK(kill(pid, 0) != 0);
  CHECK(rig.command("sleep 1000 & echo $! > \"$HOME/pid\"; exit 0", 30).smtp == 250);
  kill(std::stoi(rig.text("pid")), SIGKILL);
}

TEST_CASE("options") {
  std::string problem;
  auto options = read_options({"--mailbox={home}/Maildir/", "--aliases=/a", "--aliases=/b", "--time-limit=5", "--forward="}, problem);
  REQUIRE_MESSAGE(options, problem);
  CHECK(options->aliases == std::vector<std::string>{"/a", "/b"});
  CHECK(options->time_limit == 5);
  CHECK(read_options({}, problem)->aliases == std::vector<std::string>{"/etc/aliases"});
  for (const char* bad : {"--mailbox=/var/mail/all", "--mailbox=x/{user}", "--mailbox=/a/../{user}", "--what=1", "-v", "--time-limit=x",
                          "--children=0", "--virtual-root=/x", "--aliases=x"}) {
    problem.clear();
    CHECK_MESSAGE(!read_options({bad}, problem), bad);
    CHECK_FALSE(problem.empty());
  }
}

TEST_CASE("nobody becomes root, and who is root becomes somebody for good") {
  CHECK(become({"root", "/root", "/bin/sh", 0, 0}, 0)->text.find("nothing is delivered as root") != std::string::npos);
  CHECK(become({"odd", "/", "/bin/sh", 61'001, 0}, 0)->smtp == 451);
  pid_t child = fork();
  if (child == 0) {
    bool root = geteuid() == 0;
    auto failed = become({"bob", "/", "/bin/sh", 61'001, 61'001}, 0);
    if (!root) _exit(failed ? 0 : 1);
    _exit(!failed && getuid() == 61'001 && getegid() == 61'001 && setuid(0) != 0 && getgroups(0, nullptr) <= 1 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}
