// Tests of the file work: names, durable places, hostile addresses, links, quota.
#include "maildir.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include <doctest/doctest.h>

namespace fs = std::filesystem;
using namespace maildir;

namespace {

struct Rig {
  Rig() {
    char name[] = "/tmp/veredus-maildir-XXXXXX";
    root = mkdtemp(name);
    options.root = root;
    options.path = "{domain}/{local}/Maildir";
    options.extension = "+";
    options.hostname = "mx.test";
  }
  ~Rig() { fs::remove_all(root); }

  std::optional<Failure> put(std::string_view local, std::string_view folder = {}, const std::string& body = "Subject: x\r\n\r\nhi\r\n") {
    Place place;
    if (auto failed = find_place(options, local, "Example.TEST", folder, place)) return failed;
    return store(options, place, "Delivered-To: x\r\n", body.size(), [&](uint64_t at, char* to, size_t room) -> ssize_t {
      if (broken) return -1;
      size_t n = std::min<size_t>({room, body.size() - at, 7});
      body.copy(to, n, at);
      return static_cast<ssize_t>(n);
    });
  }
  std::vector<std::string> in(const std::string& directory) const {
    std::vector<std::string> out;
    if (fs::exists(root + "/" + directory))
      for (const auto& entry : fs::directory_iterator(root + "/" + directory)) out.push_back(entry.path());
    return out;
  }
  static std::string text_of(const std::string& path) {
    std::stringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  }

  std::string root;
  Options options;
  bool broken = false;
};

}  // namespace

TEST_CASE("a message lands in new, whole, with LF line ends, and tmp is empty") {
  Rig rig;
  REQUIRE_FALSE(rig.put("User"));
  auto files = rig.in("example.test/user/Maildir/new");
  REQUIRE(files.size() == 1);
  std::string text = Rig::text_of(files[0]);
  CHECK(text == "Delivered-To: x\nSubject: x\n\nhi\n");
  CHECK(files[0].ends_with(".mx.test,S=" + std::to_string(text.size())));
  CHECK(rig.in("example.test/user/Maildir/tmp").empty());
  CHECK(fs::exists(rig.root + "/example.test/user/Maildir/cur"));
}

TEST_CASE("carriage returns that end no line stay, also between pieces and at the end") {
  Rig rig;
  REQUIRE_FALSE(rig.put("u", {}, "a: b\r\n\r\n1234\r\n5\r6\r\r\n\r"));
  CHECK(Rig::text_of(rig.in("example.test/u/Maildir/new")[0]) == "Delivered-To: x\na: b\n\n1234\n5\r6\r\n\r");
}

TEST_CASE("addresses that would leave the root are refused") {
  Rig rig;
  for (const char* local : {"..", ".", "a/b", "../../etc", ".hidden", "a\nb", "a\\b", "", "/"}) {
    auto failed = rig.put(local);
    REQUIRE_MESSAGE(failed, local);
    CHECK(failed->smtp == 550);
  }
  CHECK(rig.put(std::string(200, 'x')));
  CHECK(fs::is_empty(rig.root));
}

TEST_CASE("no link is followed") {
  Rig rig;
  fs::create_directories(rig.root + "/example.test");
  fs::create_directories(rig.root + "/elsewhere");
  fs::create_directory_symlink(rig.root + "/elsewhere", rig.root + "/example.test/user");
  auto failed = rig.put("user");
  REQUIRE(failed);
  CHECK(failed->smtp == 451);
  CHECK(fs::is_empty(rig.root + "/elsewhere"));
}

TEST_CASE("extensions name folders that exist; routes name folders that are made") {
  Rig rig;
  REQUIRE_FALSE(rig.put("user+lists"));
  CHECK(rig.in("example.test/user/Maildir/new").size() == 1);
  fs::create_directories(rig.root + "/example.test/user/Maildir/.lists");
  REQUIRE_FALSE(rig.put("user+lists"));
  CHECK(rig.in("example.test/user/Maildir/.lists/new").size() == 1);
  REQUIRE_FALSE(rig.put("user", "Junk"));
  CHECK(rig.in("example.test/user/Maildir/.Junk/new").size() == 1);
  REQUIRE_FALSE(rig.put("user+../../x"));
  CHECK(rig.in("example.test/user/Maildir/new").size() == 2);
}

TEST_CASE("a missing mailbox is refused when none may be made") {
  Rig rig;
  rig.options.create = false;
  auto failed = rig.put("nobody");
  REQUIRE(failed);
  CHECK(failed->smtp == 550);
  CHECK(failed->enhanced[1] == 1);
  CHECK(fs::is_empty(rig.root));
}

TEST_CASE("a full mailbox defers, by the sizes in the names") {
  Rig rig;
  rig.options.quota = 100;
  REQUIRE_FALSE(rig.put("u"));
  REQUIRE_FALSE(rig.put("u"));
  auto failed = rig.put("u", {}, "a: b\r\n\r\n" + std::string(80, 'x'));
  REQUIRE(failed);
  CHECK(failed->smtp == 452);
  CHECK(failed->enhanced[1] == 2);
}

TEST_CASE("what cannot be read leaves nothing behind") {
  Rig rig;
  rig.broken = true;
  auto failed = rig.put("u");
  REQUIRE(failed);
  CHECK(failed->smtp == 451);
  CHECK(rig.in("example.test/u/Maildir/new").empty());
  CHECK(rig.in("example.test/u/Maildir/tmp").empty());
}

TEST_CASE("templates") {
  CHECK(template_problem("{domain}/{local}/Maildir").empty());
  CHECK(template_problem("{local}").empty());
  CHECK_FALSE(template_problem("{domain}/all").empty());
  CHECK_FALSE(template_problem("../{local}").empty());
  CHECK_FALSE(template_problem("/{local}").empty());
  CHECK_FALSE(template_problem("{user}/{local}").empty());
  CHECK_FALSE(template_problem("{local").empty());
}
