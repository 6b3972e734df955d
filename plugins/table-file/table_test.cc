// Tests of table files: lines, the kinds, errors with their place, a million entries.
#include "table.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>

#include <doctest/doctest.h>

using namespace table;

namespace {

struct File {
  explicit File(const std::string& text) {
    char name[] = "/tmp/veredus-table-XXXXXX";
    close(mkstemp(name));
    options.file = name;
    std::ofstream(name) << text;
  }
  ~File() { std::remove(options.file.c_str()); }
  std::shared_ptr<const Table> table(Kind kind = Kind::hash) {
    options.kind = kind;
    error.clear();
    return load(options, error);
  }
  std::string trouble(Kind kind) {
    CHECK_FALSE(table(kind));
    return error.substr(std::min(error.size(), options.file.size()));
  }
  Options options;
  std::string error;
};

std::string get(const std::shared_ptr<const Table>& table, std::string_view key) { return table->find(key).value_or("(none)"); }

}  // namespace

TEST_CASE("lines: comments, quotes, values with spaces, no value") {
  File file("# head\n\nKey  value with spaces   # comment\r\n\"two words\" \"a \\\"b\\\" # c\" # d\nalone\nurl http://x/#frag\n");
  auto table = file.table();
  REQUIRE(table);
  CHECK(table->size() == 4);
  CHECK(get(table, "KEY") == "value with spaces");
  CHECK(get(table, "two words") == "a \"b\" # c");
  CHECK(get(table, "alone") == "");
  CHECK(get(table, "url") == "http://x/#frag");
  CHECK(get(table, "nothing") == "(none)");
}

TEST_CASE("case counts when asked for; the first of equal keys holds") {
  File file("a 1\nA 2\na 3\n");
  auto table = file.table();
  CHECK(get(table, "A") == "1");
  CHECK(table->repeated == 2);
  file.options.fold = false;
  table = file.table();
  CHECK(get(table, "A") == "2");
  CHECK(table->repeated == 1);
}

TEST_CASE("errors name file and line") {
  CHECK(File("ok 1\n\"open\n").trouble(Kind::hash) == ":2: a quote that does not end");
  CHECK(File("\"a\"b 1\n").trouble(Kind::hash) == ":1: text behind the closing quote");
  CHECK(File("\"\" x\n").trouble(Kind::hash) == ":1: an empty key");
  CHECK(File(std::string("a\0b c\n", 6)).trouble(Kind::hash) == ":1: a NUL octet");
  CHECK(File(std::string(600, 'k') + "\n").trouble(Kind::hash) == ":1: a key of more than 512 octets");
  CHECK(File("\n\n10.0.0.1/24 x\n").trouble(Kind::cidr) == ":3: '10.0.0.1/24' has bits behind its prefix");
  CHECK(File("10.0.0.0/33 x\n").trouble(Kind::cidr) == ":1: '10.0.0.0/33' has no prefix length of 0 to 32");
  CHECK(File("10.0.0.0/ x\n").trouble(Kind::cidr).starts_with(":1: '10.0.0.0/'"));
  CHECK(File("hello x\n").trouble(Kind::cidr) == ":1: 'hello' is not an address or network");
  CHECK(File("a(b x\n").trouble(Kind::regex).starts_with(":1: 'a(b', character 4: "));
  CHECK(File("a..b x\n").trouble(Kind::domain).starts_with(":1: 'a..b' is not a domain pattern"));
}

TEST_CASE("missing files, directories, and files that are not there yet") {
  File file("");
  std::remove(file.options.file.c_str());
  CHECK(file.trouble(Kind::hash) == ": No such file or directory");
  file.options.missing_is_empty = true;
  auto table = file.table();
  REQUIRE(table);
  CHECK(table->size() == 0);
  std::ofstream(file.options.file) << "a b\n";
  CHECK_FALSE(common::identity_of(file.options.file) == table->identity);
  file.options.file = "/tmp";
  CHECK(file.trouble(Kind::hash) == ": not a file");
}

TEST_CASE("networks: the longest prefix wins, IPv4 and IPv6 apart") {
  File file("10.0.0.0/8 eight\n10.1.0.0/16 sixteen\n10.1.2.3 host\n0.0.0.0/0 four\n2001:db8::/32 six\n2001:db8:1::/48 longer\n");
  auto table = file.table(Kind::cidr);
  REQUIRE(table);
  CHECK(get(table, "10.1.2.3") == "host");
  CHECK(get(table, "10.1.2.4") == "sixteen");
  CHECK(get(table, "10.2.0.1") == "eight");
  CHECK(get(table, "192.0.2.1") == "four");
  CHECK(get(table, "2001:db8:1::5") == "longer");
  CHECK(get(table, "2001:db8:2::5") == "six");
  CHECK(get(table, "2001:db9::1") == "(none)");
  CHECK(get(table, "not an address") == "(none)");
}

TEST_CASE("domains: exact, then the closest parent, then all") {
  File file("a.test exact\n.a.test below\n.b.a.test deeper\n* rest\n");
  auto table = file.table(Kind::domain);
  CHECK(get(table, "A.TEST") == "exact");
  CHECK(get(table, "x.a.test") == "below");
  CHECK(get(table, "y.b.a.test") == "deeper");
  CHECK(get(table, "b.a.test") == "below");
  CHECK(get(table, "other.test") == "rest");
}

TEST_CASE("expressions: the first match wins, groups go into the value, bombs end") {
  File file("^(\\w+)@old\\.test$ \\1@new.test\n^(a+)+$ bomb\n\"with space$\" yes\n(x)|(y) [\\2]\n");
  auto table = file.table(Kind::regex);
  REQUIRE(table);
  CHECK(get(table, "User@OLD.test") == "User@new.test");
  CHECK(get(table, "ends with space") == "yes");
  CHECK(get(table, "y") == "[y]");
  CHECK(get(table, std::string(60, 'a') + "b") == "(none)");
}

TEST_CASE("a million entries") {
  std::string text;
  for (int i = 0; i < 1'000'000; ++i) text += "user" + std::to_string(i) + "@example.test box" + std::to_string(i % 97) + "\n";
  File file(text);
  auto table = file.table();
  REQUIRE(table);
  CHECK(table->size() == 1'000'000);
  CHECK(get(table, "user999999@example.test") == "box" + std::to_string(999'999 % 97));
  CHECK(get(table, "user1000000@example.test") == "(none)");
}
