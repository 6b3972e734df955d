// What the supervisor hands to the worker, and what it keeps to itself.
#include "main/key_files.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "log/sinks.h"

using namespace veredus;
namespace fs = std::filesystem;

namespace {

constexpr const char* kPem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

struct Tree {
  fs::path root;
  Tree() {
    char name[] = "/tmp/veredus-keys-XXXXXX";
    root = mkdtemp(name);
    // As certbot leaves it.
    fs::create_directories(root / "le/archive/a.test");
    fs::create_directories(root / "le/live/a.test");
    put("le/archive/a.test/privkey1.pem", kPem);
    fs::create_symlink("../../archive/a.test/privkey1.pem", root / "le/live/a.test/privkey.pem");
    put("secret.pem", kPem);
    put("shadow", "root:$6$x:1::::::\n");
  }
  ~Tree() { fs::remove_all(root); }
  std::string at(const std::string& name) const { return (root / name).string(); }
  void put(const std::string& name, const std::string& text) const { std::ofstream(root / name) << text; }
};

// "": it was opened and read; else why not.
std::string said(const KeyRules& rules, const std::string& path) {
  auto file = open_by_rules(rules, path);
  if (!file) return file.error().text;
  char first[11] = {};
  return read(file->get(), first, 10) == 10 && std::string(first) == "-----BEGIN" ? "" : "not at its beginning";
}

bool named(const std::string& text) { return text.find("no setting under tls names it") == text.npos; }

}  // namespace

TEST_CASE("files that settings name are handed over, also through links, and nothing else") {
  Tree tree;
  KeyRules rules{{tree.at("le/live/a.test/privkey.pem"), tree.at("shadow"), tree.at("le"), tree.at("none")}, {}};
  CHECK(said(rules, tree.at("le/live/a.test/privkey.pem")) == "");
  CHECK_FALSE(named(said(rules, tree.at("le/archive/a.test/privkey1.pem"))));
  CHECK_FALSE(named(said(rules, tree.at("secret.pem"))));
  CHECK_FALSE(named(said(rules, "")));
  CHECK_FALSE(named(said(rules, "secret.pem")));
  CHECK_FALSE(named(said(rules, tree.at("le/live/a.test/privkey.pem") + std::string(1, '\0'))));
  CHECK(said(rules, tree.at("shadow")) == "it holds no PEM");
  CHECK(said(rules, tree.at("le")) == "it is no regular file");
  CHECK(said(rules, tree.at("none")) == "No such file or directory");
}

TEST_CASE("what lies beneath a directory is handed over; links and dots do not lead out of it") {
  Tree tree;
  KeyRules rules{{}, {tree.at("le")}};
  CHECK(said(rules, tree.at("le/live/a.test/privkey.pem")) == "");
  CHECK(said(rules, tree.at("le/archive/a.test/privkey1.pem")) == "");
  fs::create_symlink(tree.root / "secret.pem", tree.root / "le/live/a.test/absolute.pem");
  fs::create_symlink("../../../secret.pem", tree.root / "le/live/a.test/relative.pem");
  for (const char* name : {"le/live/a.test/absolute.pem", "le/live/a.test/relative.pem", "le/../secret.pem", "le/live/../../secret.pem"})
    CHECK_MESSAGE(said(rules, tree.at(name)).find("a link leads out") != std::string::npos, name);
  CHECK_FALSE(named(said(rules, tree.at("le"))));
  CHECK_FALSE(named(said(rules, tree.at("lead.pem"))));
  REQUIRE(mkfifo(tree.at("le/fifo").c_str(), 0600) == 0);
  CHECK(said(rules, tree.at("le/fifo")) == "it is no regular file");
  tree.put("le/large.pem", kPem + std::string(1 << 20, 'A'));
  CHECK(said(rules, tree.at("le/large.pem")) == "it is larger than 1 MiB");
}

TEST_CASE("the worker asks, the supervisor answers; settings of now count, but only root may have written them") {
  Tree tree;
  fs::create_directories(tree.root / "conf.d");
  tree.put("conf.d/00-core.yaml", "core: { hostname: a.test, tls: { key_directories: [" + tree.at("le") + "] } }\n");
  FakeClock clock;
  ListSink sink;
  Log log(clock, sink);
  KeyFiles files(tree.at("conf.d"), clock, log);
  auto end = files.begin();
  REQUIRE(end);
  KeyDoor door(end->release());
  std::atomic<bool> over{false};
  std::thread supervisor([&] {
    while (!over)
      if (files.fd() >= 0) files.serve();
  });
  auto asked = [&](const std::string& name) {
    auto fd = door.open(tree.at(name));
    return fd ? close(*fd), std::string() : fd.error().text;
  };
  bool root = geteuid() == 0;
  CHECK(asked("le/live/a.test/privkey.pem").empty() == root);  // the settings are read when they are wanted
  clock.advance(Millis(300));
  fs::permissions(tree.root / "conf.d/00-core.yaml", fs::perms::others_write, fs::perm_options::add);
  std::string refused = asked("secret.pem");
  CHECK_MESSAGE(refused.find("others than root may write " + tree.at("conf.d/00-core.yaml")) != std::string::npos, refused);
  CHECK(asked("le/live/a.test/privkey.pem").empty() == root);
  CHECK_FALSE(named(asked("secret.pem")));
  over = true;
  supervisor.join();
  log.flush();
  CHECK(sink.text().find("supervisor.key_refused") != std::string::npos);
  files.end();
  CHECK(asked("secret.pem") == "it cannot be asked");
}
