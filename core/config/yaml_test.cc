// YAML that is not YAML, or more than the configuration uses.
#include "config/yaml.h"

#include <doctest/doctest.h>

using namespace veredus;

namespace {

std::string problem(const std::string& text) {
  Problems problems;
  read_yaml(text, "f.yaml", problems);
  std::string out;
  for (const ConfigError& error : problems.take_errors()) out += error.full() + "\n";
  return out;
}

}  // namespace

TEST_CASE("places count from one") {
  Problems problems;
  auto root = read_yaml("a:\n  b: [x, \"y z\"]\n", "f.yaml", problems);
  REQUIRE(root);
  const ConfigEntry& b = root->entries.at(0).value.entries.at(0);
  CHECK(root->entries[0].place.text() == "f.yaml:1:1");
  CHECK(b.place.text() == "f.yaml:2:3");
  CHECK(b.value.kind == ConfigNode::Kind::list);
  CHECK(b.value.items.at(1).text == "y z");
  CHECK(b.value.items[1].place.text() == "f.yaml:2:10");
}

TEST_CASE("texts over several lines, without a line feed at the end of the file") {
  Problems problems;
  auto root = read_yaml("a: |\n  one\n  two\nb: >-\n  one\n  two\nc: last", "f.yaml", problems);
  REQUIRE(root);
  CHECK(root->find("a")->value.text == "one\ntwo\n");
  CHECK(root->find("b")->value.text == "one two");
  CHECK(root->find("c")->value.text == "last");
}

TEST_CASE("an empty document is a null node") {
  Problems problems;
  CHECK(read_yaml("", "f.yaml", problems)->kind == ConfigNode::Kind::null);
  CHECK(read_yaml("# only a comment\n", "f.yaml", problems)->kind == ConfigNode::Kind::null);
  CHECK_FALSE(problems.any_error());
}

TEST_CASE("duplicate keys name both places") {
  CHECK(problem("a: 1\nb: 2\na: 3\n") == "f.yaml:3:1: 'a' is given twice; the first is at f.yaml:1:1\n");
  CHECK(problem("x: { a: 1, a: 2 }\n") == "f.yaml:1:12: 'a' is given twice; the first is at f.yaml:1:6\n");
}

TEST_CASE("anchors, aliases and tags are refused, so nothing can be expanded") {
  std::string refused = "not readable: anchors and aliases are not used here: write the value out\n";
  CHECK(problem("a: &x 1\n") == "f.yaml:1:4: " + refused);
  CHECK(problem("a: &y 1\nb: *y\n") == "f.yaml:1:4: " + refused);
  CHECK(problem("a: &x [1]\nb: [*x, *x]\n") == "f.yaml:1:4: " + refused);
  CHECK(problem("a: !!binary aGk=\n") ==
        "f.yaml:1:4: not readable: tags are not used here: 'tag:yaml.org,2002:binary'\n");
}

TEST_CASE("nesting is bounded") {
  std::string deep = "a: " + std::string(23, '[') + std::string(23, ']') + "\n";
  CHECK(problem(deep) == "");
  std::string deeper = "a: " + std::string(24, '[') + std::string(24, ']') + "\n";
  CHECK(problem(deeper) == "f.yaml:1:27: not readable: nested too deeply\n");
  CHECK(problem("a: " + std::string(100'000, '[')).find("not readable") != std::string::npos);
  std::string blocks;
  for (size_t i = 0; i < 1000; ++i) blocks += std::string(i, ' ') + "a:\n";
  CHECK(problem(blocks) == "f.yaml:25:25: not readable: nested too deeply\n");
}

TEST_CASE("broken syntax has its place") {
  CHECK(problem("a: [1, 2\nb: 3\n").find("f.yaml:2:2: not readable: ") == 0);
  CHECK(problem("x: 1\na: \"open\nb: 1\n") == "f.yaml:2:1: a quote after this is not closed\n");
  CHECK(problem("a: 'open").find("not closed") != std::string::npos);
  CHECK(problem("\"open").find("f.yaml: a quote after this is not closed") == 0);
  CHECK(problem("a: 1\n\tb: 2\n").find("f.yaml:2:") == 0);
  CHECK(problem("a: 1\n b: 2\n").find("f.yaml:2:") == 0);
  CHECK(problem("? [a]\n: b\n") == "f.yaml:1:3: not readable: a key must be a single word\n");
  CHECK(problem("~: b\n") == "f.yaml:1:1: not readable: a key must be a single word\n");
}

TEST_CASE("frequent slips are told with a remedy") {
  auto told = [](const char* place, const char* advice) {
    return "f.yaml:" + std::string(place) + ": not readable: " + advice + "\n";
  };
  CHECK(problem("a: [*]\n") == told("1:6", "a '*' stands in quotes: \"*\""));
  CHECK(problem("a: *\n") == told("1:5", "a '*' stands in quotes: \"*\""));
  CHECK(problem("a:\n\tb: 1\n") == told("2:1", "a tab in the indentation; use spaces"));
  CHECK(problem("a:\n  b: 1\n\tc: 2\n") == told("3:1", "a tab in the indentation; use spaces"));
  CHECK(problem("a: x\tb: [\n") != told("1:5", "a tab in the indentation; use spaces"));
  CHECK(problem("a:\n  b: [1\nc: 2\n").find("a '[' before this is not closed") != std::string::npos);
  CHECK(problem("a: { b: 1\nc: 2\n").find("a '{' before this is not closed") != std::string::npos);
  CHECK(problem("a:\n  - 1\n - 2\n").find("the indentation does not fit") != std::string::npos);
  CHECK(problem("a: b: c\n").find("a ':' that does not belong here") != std::string::npos);
}

TEST_CASE("one document a file") {
  CHECK(problem("a: 1\n---\nb: 2\n") == "f.yaml:3:1: a second document begins here: one mapping a file\n");
  CHECK(problem("---\na: 1\n") == "");
  CHECK(problem("a: 1\n...\n") == "");
  CHECK(problem("---\na: 1\n---\n") != "");
  CHECK(problem("...\n") == "");
}

TEST_CASE("octets that are not text, and files that are too large") {
  CHECK(problem("a: 1\nb: \xFF\n") == "f.yaml:2:1: this line is not UTF-8 text\n");
  CHECK(problem(std::string("a: \0b\n", 6)) == "f.yaml:1:1: this line is not UTF-8 text\n");
  CHECK(problem(std::string("\xFF\xFE"
                            "a\0",
                            4)) == "f.yaml:1:1: this line is not UTF-8 text\n");
  CHECK(problem(std::string(kMaxConfigFile + 1, ' ')) == "f.yaml: is larger than 4 MiB\n");
}
