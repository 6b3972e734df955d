// Files of aliases: names, values, continuation, quoting, what is wrong in them, and reading them live.
#include "aliases.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>

#include "alias_files.h"

using namespace local;
using Kind = Target::Kind;

namespace {

Target one(Kind kind, std::string text, uint16_t code = 0, bool exact = false) {
  Target out;
  out.kind = kind;
  out.text = std::move(text);
  out.code = code;
  out.exact = exact;
  return out;
}

std::vector<Target> targets(std::string_view text) {
  return parse_targets(text).targets;
}

}  // namespace

TEST_CASE("targets of every kind") {
  CHECK(targets("bob") == std::vector{one(Kind::name, "bob")});
  CHECK(targets("bob, carol@a.test,dan") ==
        std::vector{one(Kind::name, "bob"), one(Kind::address, "carol@a.test"), one(Kind::name, "dan")});
  CHECK(targets("|/bin/cat -n") == std::vector{one(Kind::pipe, "/bin/cat -n")});
  CHECK(targets("\"|/usr/bin/vacation, \\\"x\\\" bob\", /var/log/mail") ==
        std::vector{one(Kind::pipe, "/usr/bin/vacation, \"x\" bob"), one(Kind::file, "/var/log/mail")});
  CHECK(targets("|\"/bin/a, b\"") == std::vector{one(Kind::pipe, "\"/bin/a, b\"")});
  CHECK(targets("/var/Maildir/") == std::vector{one(Kind::file, "/var/Maildir/")});
  CHECK(targets(":include:/etc/list, bob") == std::vector{one(Kind::include, "/etc/list"), one(Kind::name, "bob")});
  CHECK(targets("\":include:/etc/list\"") == std::vector{one(Kind::include, "/etc/list")});
  CHECK(targets("\\bob") == std::vector{one(Kind::name, "bob", 0, true)});
  CHECK(targets(":fail: gone, for good") == std::vector{one(Kind::refuse, "gone, for good", 550)});
  CHECK(targets(":defer:") == std::vector{one(Kind::defer, "", 451)});
  CHECK(targets(":blackhole:") == std::vector{one(Kind::blackhole, "")});
  CHECK(targets("error:553 5.1.8 no, never") == std::vector{one(Kind::refuse, "5.1.8 no, never", 553)});
  CHECK(targets("error:450 later") == std::vector{one(Kind::defer, "later", 450)});
  CHECK(targets("Ann Smith <ann@a.test>, \"odd name\"@b.test") ==
        std::vector{one(Kind::address, "ann@a.test"), one(Kind::address, "\"odd name\"@b.test")});
}

TEST_CASE("targets that are none are left out and told") {
  for (const char* text : {"a b", "a@", "@a.test", "a@b@c", "a@-b.test", ":what:", ":include:relative", "|", "/a/../b", "error:250 fine",
                           "error:999 x", "x\x01y", "a@b..c", "\\"}) {
    TargetList list = parse_targets(text);
    CHECK_MESSAGE(list.targets.empty(), text);
    CHECK_MESSAGE(list.problems.size() == 1, text);
  }
  CHECK(parse_targets(" , ,").targets.empty());
  CHECK(parse_targets(std::string(10'000, 'x')).problems.size() == 1);
}

TEST_CASE("lines of a .forward or a list") {
  TargetList list = parse_target_lines("# me\nbob@a.test\r\n\n  carol , \"|/bin/cat\"\n#dan\n");
  CHECK(list.targets == std::vector{one(Kind::address, "bob@a.test"), one(Kind::name, "carol"), one(Kind::pipe, "/bin/cat")});
}

TEST_CASE("an aliases file: case, comments, continuation, quoted names") {
  Aliases file =
      Aliases::parse("# comment\nPostMaster: root\nroot:\tbob,\n\n  # within\n\tcarol@a.test\n\"odd: name\" : dan\n   \nlast: eve");
  CHECK(file.problems().empty());
  REQUIRE(file.size() == 4);
  CHECK(file.find("postmaster")->targets == std::vector{one(Kind::name, "root")});
  CHECK(file.find("root")->targets == std::vector{one(Kind::name, "bob"), one(Kind::address, "carol@a.test")});
  CHECK(file.find("root")->line == 3);
  CHECK(file.find("odd: name"));
  CHECK(file.find("last"));
  CHECK_FALSE(file.find("Last"));
}

TEST_CASE("an aliases file with mistakes keeps what is right; of two the first holds") {
  Aliases file = Aliases::parse("  lost\nbob: carol\nno colon here\n: empty\nBOB: dan\nnone:\nbad: a b\ngood: x");
  CHECK(file.size() == 2);
  CHECK(file.find("bob")->targets[0].text == "carol");
  CHECK(file.find("good"));
  const auto& problems = file.problems();
  REQUIRE(problems.size() == 7);
  CHECK(problems[0] == "line 1: begins with a space, but continues nothing");
  CHECK(problems[1] == "line 3: there is no ':' after the name");
  CHECK(problems[3] == "line 5: 'bob' is given twice; line 2 holds");
  CHECK(problems[4] == "line 6: 'none' leads nowhere");
}

TEST_CASE("files are read again when they change, and kept while they are being written") {
  char name[] = "/tmp/veredus-aliases-XXXXXX";
  std::string directory = mkdtemp(name), path = directory + "/aliases";
  auto write = [&](const char* text, int age) {
    std::ofstream(path) << text;
    timespec times[2] = {{time(nullptr) - age, 0}, {time(nullptr) - age, 0}};
    REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
  };
  AliasFiles files({path, directory + "/none"});
  CHECK(files.now()->size() == 0);
  CHECK(files.now()->problem().empty());
  write("bob: carol\n", 100);
  std::vector<std::shared_ptr<const AliasFiles::Snapshot::File>> fresh;
  std::string source;
  REQUIRE(files.now(&fresh)->find("bob", &source));
  CHECK(source == path);
  CHECK(fresh.size() == 1);
  CHECK(files.now() == files.now());
  write("", 0);
  CHECK(files.now()->find("bob"));  // written a moment ago: an editor may not have finished
  write("dan: eve\n", 50);
  CHECK_FALSE(files.now()->find("bob"));
  CHECK(files.now()->find("dan"));
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  timespec old[2] = {{1'000'000, 0}, {1'000'000, 0}};
  REQUIRE(utimensat(AT_FDCWD, path.c_str(), old, 0) == 0);
  CHECK(files.now()->problem().find("not a regular file") != std::string::npos);
  std::filesystem::remove_all(directory);
}
