// Expansion: chains, loops, lists, owners, extensions, bounds. Also what plugin and helper say to each other, and users from a file.
#include "expand.h"

#include <unistd.h>

#include <fstream>
#include <map>
#include <set>

#include <doctest/doctest.h>

#include "wire.h"

using namespace local;

namespace {

struct Rig {
  Aliases aliases;
  std::set<std::string> users{"bob", "carol", "dan"};
  std::map<std::string, std::string> files;
  bool broken = false;
  World world;

  explicit Rig(const std::string& text) : aliases(Aliases::parse(text)) {
    world.alias = [this](const std::string& name, std::string* source) {
      const Alias* found = aliases.find(name);
      if (found && source) *source = "/etc/aliases";
      return found;
    };
    world.user = [this](const std::string& name) {
      UserAnswer out;
      if (broken)
        out.kind = UserAnswer::Kind::unknown;
      else if (users.contains(name))
        out.kind = UserAnswer::Kind::found;
      out.user.name = name;
      return out;
    };
    world.include = [this](const std::string& path, std::string& out, std::string& problem) {
      if (!files.contains(path)) return problem = path + ": none", false;
      return out = files[path], true;
    };
    world.is_local = [](std::string_view domain) { return domain == "host.test"; };
  }
  // "user bob+ext!", "address a@b", "pipe x" with commas between; ! is itself, = is exact, (owner).
  std::string at(const std::string& name) { return text(expand(name, world)); }
  static std::string text(const Expansion& all) {
    if (!all.later.empty()) return "later";
    if (all.too_many) return "too many";
    if (all.looped) return "loop";
    if (!all.known) return "unknown";
    static const char* kinds[] = {"user", "name", "address", "pipe", "file", "refuse", "defer", "blackhole"};
    std::string out;
    for (const Item& item : all.items)
      out += (out.empty() ? "" : ", ") + std::string(kinds[static_cast<int>(item.kind)]) + " " + item.text +
             (item.extension.empty() ? "" : "+" + item.extension) + (item.exact ? "=" : "") + (item.itself && !item.exact ? "!" : "") +
             (item.owner.empty() ? "" : "(" + item.owner + ")");
    return out;
  }
};

}  // namespace

TEST_CASE("users, aliases and chains of them") {
  Rig rig(
      "postmaster: root\nroot: bob\nteam: bob, carol@host.test, x@else.test\nself: \\bob, /tmp/copy, \"|cat\"\nno: :fail: gone\nhole: "
      ":blackhole:");
  CHECK(rig.at("bob") == "user bob!");
  CHECK(rig.at("BOB") == "user bob!");
  CHECK(rig.at("nobody") == "unknown");
  CHECK(rig.at("Postmaster") == "user bob");
  CHECK(rig.at("team") == "user bob, user carol, address x@else.test");
  CHECK(rig.at("self") == "user bob=, file /tmp/copy, pipe cat");
  CHECK(rig.at("no") == "refuse gone");
  CHECK(rig.at("hole") == "blackhole ");
  CHECK(expand("self", rig.world).items[1].source == "/etc/aliases");
}

TEST_CASE("extensions: the whole name first, then the user") {
  Rig rig("bob+lists: carol\nlist: dan");
  CHECK(rig.at("bob+lists") == "user carol");
  CHECK(rig.at("bob+Other") == "user bob+other!");
  CHECK(rig.at("list+x") == "user dan");
  CHECK(rig.at("+x") == "unknown");
  rig.world.separator = "";
  CHECK(rig.at("bob+other") == "unknown");
}

TEST_CASE("one's own name in one's alias keeps a copy; a loop without anybody fails") {
  Rig rig("bob: bob, x@else.test\na: b\nb: c\nc: a\nd: d\ne: f, dan\nf: e");
  CHECK(rig.at("bob") == "user bob!, address x@else.test");
  CHECK(rig.at("a") == "loop");
  CHECK(rig.at("d") == "loop");
  CHECK(rig.at("e") == "user dan");
  rig.files["/l"] = ":include:/l";
  rig.aliases = Aliases::parse("l: :include:/l");
  CHECK(rig.at("l") == "loop");
}

TEST_CASE("lists: owners, duplicates, names that nobody has, no commands") {
  Rig rig("list: :include:/list\nowner-list: dan\ninner: list, carol\nplain: :include:/none\n");
  rig.files["/list"] = "bob\nbob, carol\n|/bin/rm -rf /\n/etc/passwd\nx@else.test\nstranger\n";
  CHECK(rig.at("list") == "user bob(list), user carol(list), address x@else.test(list), name stranger(list)");
  CHECK(expand("list", rig.world).problems.size() == 2);
  CHECK(rig.at("inner") == "user bob(list), user carol(list), address x@else.test(list), name stranger(list), user carol");
  CHECK(rig.at("plain") == "later");
}

TEST_CASE("fan-out and depth have bounds") {
  std::string text, wide;
  for (int i = 0; i < 100; ++i) text += "n" + std::to_string(i) + ": n" + std::to_string(i + 1) + "\n";
  Rig deep(text + "n100: bob\n");
  CHECK(deep.at("n60") == "user bob");
  CHECK(deep.at("n0") == "too many");
  // Each name leads to the next twice: 2^40 ways to one user.
  std::string fan;
  for (int i = 0; i < 40; ++i)
    fan +=
        "f" + std::to_string(i) + ": f" + std::to_string(i + 1) + ", \"|c" + std::to_string(i % 2) + "\", f" + std::to_string(i + 1) + "\n";
  Rig many(fan + "f40: bob\n");
  CHECK(many.at("f0") == "user bob, pipe c1, pipe c0");
  for (int i = 0; i < 20; ++i) wide += (i ? ", " : "wide: ") + std::string("u") + std::to_string(i) + "@else.test";
  Rig bound(wide);
  bound.world.most_items = 10;
  CHECK(bound.at("wide") == "too many");
}

TEST_CASE("when users cannot be looked up it is tried later") {
  Rig rig("team: x@else.test, bob");
  rig.broken = true;
  CHECK(rig.at("bob") == "later");
  CHECK(rig.at("team") == "later");
}

TEST_CASE("values of virtual tables: no commands, files and lists") {
  Rig rig("");
  rig.files["/l"] = "carol";
  CHECK(Rig::text(expand_targets(parse_targets("bob, x@else.test, |cat, /tmp/x, :include:/l"), rig.world)) == "user bob, address x@else.test");
}

TEST_CASE("fields come back as they were, and nonsense does not") {
  Fields fields;
  fields.add("op", "pipe");
  fields.add("text", std::string("a=1:,\0\n", 7));
  fields.add("text", "");
  auto back = Fields::parse(fields.text());
  REQUIRE(back);
  CHECK(back->get("op") == "pipe");
  CHECK(back->all("text") == std::vector<std::string>{std::string("a=1:,\0\n", 7), ""});
  for (const char* text : {"x", "=1:a,", "a=:b,", "a=2:b,", "a=1:b", "a=-1:b,", "a=99999999999:b,", "a1:b,"})
    CHECK_MESSAGE(!Fields::parse(text), text);
  Fields report;
  Report::of(550, 1, 1, "no\r\nsuch").put(report);
  Report taken = Report::take(report);
  CHECK(taken.smtp == 550);
  CHECK(taken.enhanced[2] == 1);
  CHECK(taken.text == "no such");
  CHECK(Report::take(Fields()).smtp == 451);
}

TEST_CASE("users from a file, remembered for a while") {
  char name[] = "/tmp/veredus-users-XXXXXX";
  int fd = mkstemp(name);
  std::ofstream(name) << "bob:x:61001:61001:Bob:/srv/bob:/bin/bash\nodd:x:61002:61002::\n";
  close(fd);
  CHECK(find_user(name, "bob").user.home == "/srv/bob");
  CHECK(find_user(name, "odd").user.shell == "/bin/sh");
  CHECK(find_user(name, uid_t{61001}).user.name == "bob");
  CHECK(find_user(name, "carol").kind == UserAnswer::Kind::absent);
  CHECK(find_user("", "root").user.uid == 0);
  for (const char* bad : {"", "a:b", "a/b", "..", "-x", "a b"}) CHECK_MESSAGE(find_user(name, bad).kind == UserAnswer::Kind::absent, bad);
  UserCache cache(name, 2, 1'000);
  CHECK(cache.find("bob", 0).kind == UserAnswer::Kind::found);
  unlink(name);
  CHECK(cache.find("bob", 999).kind == UserAnswer::Kind::found);
  CHECK(cache.find("bob", 1'001).kind == UserAnswer::Kind::unknown);
}
