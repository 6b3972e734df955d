// Settings of plugins: values, places, defaults, secrets, and every wrong one with its place.
#include "plugin/schema.h"

#include <nlohmann/json.hpp>

#include "plugin/front_test_support.h"
#include "plugin/object.h"

using namespace veredus;
using namespace veredus::test;

namespace {

const Manifest& good() {
  static auto object = PluginObject::open(object_path("good"));
  REQUIRE_MESSAGE(object.ok(), object.error().text);
  return (*object)->manifest();
}

struct Outcome {
  SettingsTree tree;
  std::string errors;
};

// The body stands below "plugin: good", so its first line is line 2.
Outcome read(const std::string& body) {
  auto config = fragments({"plugin: good\n" + body});
  REQUIRE_MESSAGE(config.ok(), config.error_text());
  Problems problems;
  Outcome out;
  out.tree = read_plugin_settings(good(), config.value().plugins[0], "/var/state/good", problems);
  for (const ConfigError& error : problems.take_errors()) out.errors += error.full() + "\n";
  return out;
}

Manifest with(std::vector<ManifestSetting> settings) {
  Manifest out;
  out.settings = std::move(settings);
  return out;
}

std::string schema_errors(std::vector<ManifestSetting> settings) {
  std::vector<std::string> problems;
  check_schema(with(std::move(settings)), problems);
  std::string out;
  for (const std::string& problem : problems) out += problem + "\n";
  return out;
}

}  // namespace

TEST_CASE("defaults fill what a fragment does not say") {
  auto read_ok = read("");
  REQUIRE(read_ok.tree);
  const vrd_conf& tree = *read_ok.tree;
  CHECK(tree.find("delay")->number == 300'000);
  CHECK(tree.find("count")->number == -3);
  CHECK(tree.find("size")->number == 10'240);
  CHECK(tree.find("mode")->number == 0);
  CHECK(tree.find("on")->number == 1);
  CHECK(tree.find("file")->text == "/var/state/good/list.txt");
  REQUIRE(tree.find("networks")->items.size() == 1);
  CHECK(tree.find("networks")->items[0].text == "192.0.2.0/24");
  CHECK(tree.find("delay")->where == "conf.d/31-x.yaml:1:9");  // of the fragment
  for (const char* unset : {"greeting", "domains", "users", "labels", "password", "rules"}) CHECK(tree.find(unset) == nullptr);
}

TEST_CASE("given values are typed and know their place") {
  auto out = read("delay: 90s\nmode: hard\non: no\ndomains: .Example.test\nfile: /etc/list\nlabels: { a: 1, b: two }\nrules:\n  - sender: a.test\n    weight: 7\n  - sender: [b.test, '*']\n");
  REQUIRE_MESSAGE(out.tree, out.errors);
  CHECK(out.tree->find("delay")->number == 90'000);
  CHECK(out.tree->find("delay")->text == "90s");
  CHECK(out.tree->find("delay")->where == "conf.d/31-x.yaml:2:8");
  CHECK(out.tree->find("mode")->number == 1);
  CHECK(out.tree->find("on")->number == 0);
  CHECK(out.tree->find("domains")->items[0].text == ".example.test");
  CHECK(out.tree->find("file")->text == "/etc/list");
  CHECK(out.tree->find("labels")->keys == std::vector<std::string>{"a", "b"});
  CHECK(out.tree->find("labels")->items[1].text == "two");
  const vrd_conf& rules = *out.tree->find("rules");
  REQUIRE(rules.items.size() == 2);
  CHECK(rules.items[0].find("weight")->number == 7);
  CHECK(rules.items[1].find("weight")->number == 1);  // default
  CHECK(rules.items[1].find("sender")->items.size() == 2);
}

TEST_CASE("one record may stand without a list") {
  auto out = read("rules: { sender: a.test }\n");
  REQUIRE_MESSAGE(out.tree, out.errors);
  CHECK(out.tree->find("rules")->items.size() == 1);
}

TEST_CASE("wrong settings, each with its place") {
  struct Row {
    const char *body, *text;
  };
  const Row rows[] = {
      {"dely: 5m", "conf.d/31-x.yaml:2:1: unknown setting 'dely' (did you mean 'delay'?)\n"},
      {"delay: 5", "conf.d/31-x.yaml:2:8: delay: '5' is not a duration, 1s to 1d (write it like 30s, 5m, 4h or 5d)\n"},
      {"delay: 2d", "conf.d/31-x.yaml:2:8: delay: '2d' is out of range (1s to 1d)\n"},
      {"delay: 500ms", "conf.d/31-x.yaml:2:8: delay: '500ms' is out of range (1s to 1d)\n"},
      {"delay: [5m]", "conf.d/31-x.yaml:2:8: delay: expected a duration, 1s to 1d, found a list\n"},
      {"delay:", "conf.d/31-x.yaml:2:1: delay: has no value; expected a duration, 1s to 1d\n"},
      {"count: 101", "conf.d/31-x.yaml:2:8: count: '101' is out of range (-10 to 100)\n"},
      {"count: 99999999999999999999", "is not a number, -10 to 100"},
      {"size: 1KB", "is not a size, 1KiB to 1GiB"},
      {"mode: sft", "conf.d/31-x.yaml:2:7: mode: 'sft' is not one of soft, hard (did you mean 'soft'?)\n"},
      {"on: maybe", "conf.d/31-x.yaml:2:5: on: 'maybe' is not a boolean (write true or false)\n"},
      {"greeting: ''", "conf.d/31-x.yaml:2:11: greeting: '' is out of range (1 to 20 octets)\n"},
      {"greeting: aaaaaaaaaaaaaaaaaaaaa", "is out of range (1 to 20 octets)\n"},
      {"file: ''", "conf.d/31-x.yaml:2:7: file: '' is not a path\n"},
      {"networks: [10.0.0.1/8]", "networks: '10.0.0.1/8' is not a network: bits after the first 8 are set\n"},
      {"networks: loopback", "networks: 'loopback' stands for two networks"},
      {"domains: [a..test]", "conf.d/31-x.yaml:2:11: domains: 'a..test' is not a domain pattern"},
      {"labels: [a]", "labels: expected a mapping, found a list\n"},
      {"labels: { a: [b] }", "labels: expected a single value for 'a', found a list\n"},
      {"rules: [{ weight: 2 }]", "conf.d/31-x.yaml:2:9: 'sender' is missing; expected a list, each a domain pattern\n"},
      {"rules:\n  - sender: []", "conf.d/31-x.yaml:3:13: rules[].sender: the list is empty"},
      {"rules: [{ sender: a.test, wieght: 2 }]", "conf.d/31-x.yaml:2:27: unknown setting 'wieght' (did you mean 'weight'?)\n"},
      {"rules: a.test", "rules: expected a mapping, found a single value\n"},
      {"users: 'a b'", "users: 'a b' is not the name of a table\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.body);
    auto out = read(std::string(row.body) + "\n");
    CAPTURE(out.errors);
    CHECK_FALSE(out.tree);
    CHECK(has(out.errors, row.text));
  }
}

TEST_CASE("all errors of a fragment are reported at once") {
  auto out = read("delay: 5\ncount: x\nmode: z\n");
  CHECK(has(out.errors, "delay: "));
  CHECK(has(out.errors, "count: "));
  CHECK(has(out.errors, "mode: "));
}

TEST_CASE("a secret comes from the fragment or a file, and is never shown") {
  TempDir dir;
  auto out = read("password: hunter2\n");
  REQUIRE(out.tree);
  CHECK(out.tree->find("password")->text == "hunter2");
  CHECK_FALSE(has(show_plugin_settings(good(), *out.tree).dump(), "hunter2"));
  CHECK(show_plugin_settings(good(), *out.tree)["password"] == "(hidden)");

  out = read("password: { file: " + dir.write("secret", "hunter3\n") + " }\n");
  REQUIRE_MESSAGE(out.tree, out.errors);
  CHECK(out.tree->find("password")->text == "hunter3");

  CHECK(has(read("password: { file: " + dir.file("none") + " }\n").errors, "none cannot be read: No such file or directory"));
  CHECK(has(read("password: { file: " + dir.path() + " }\n").errors, "cannot be read"));
  CHECK(has(read("password: { path: x }\n").errors, "or { file: PATH }"));
  CHECK(has(read("delay: { file: x }\n").errors, "found a mapping"));
  std::string short_one = read("password: abc\n").errors;
  CHECK(has(short_one, "password: the secret does not fit"));
  CHECK_FALSE(has(short_one, "abc"));
}

TEST_CASE("effective values and explanations") {
  auto out = read("rules: { sender: a.test }\n");
  auto shown = show_plugin_settings(good(), *out.tree);
  CHECK(shown["delay"] == "5m");
  CHECK(shown["count"] == -3);
  CHECK(shown["on"] == true);
  CHECK(shown["greeting"].is_null());
  CHECK(shown["rules"][0]["weight"] == 1);
  std::string text = explain_plugin_setting(good(), "delay");
  CHECK(has(text, "good.delay\n  How long to wait.\n  type: a duration, 1s to 1d\n  default: 5m\n  in force: after a reload\n"));
  CHECK(has(explain_plugin_setting(good(), "rules"), "good.rules[].sender"));
  CHECK(has(explain_plugin_setting(good(), "size"), "in force: after a restart"));
  CHECK(explain_plugin_setting(good(), "dela") == "");
}

TEST_CASE("schemas that make no sense") {
  CHECK(schema_errors({{.type = 3, .key = "a", .bounds = "1..9", .doc = ""}}) == "");
  CHECK(has(schema_errors({{.type = 3, .key = "A"}}), "a key is a-z, 0-9 and '_'"));
  CHECK(has(schema_errors({{.type = 4, .key = "timeout"}}), "the name is reserved for the host"));
  CHECK(has(schema_errors({{.type = 99, .key = "a"}}), "unknown type 99"));
  CHECK(has(schema_errors({{.type = 3, .key = "a"}, {.type = 3, .key = "a"}}), "declared twice"));
  CHECK(has(schema_errors({{.type = 3, .key = "a[].b"}}), "the record that it belongs to is not declared"));
  CHECK(has(schema_errors({{.type = 12, .key = "a"}}), "a record without fields"));
  CHECK(has(schema_errors({{.type = 3, .key = "a", .bounds = "9..1"}}), "are not MIN..MAX"));
  CHECK(has(schema_errors({{.type = 4, .key = "a", .bounds = "1..9"}}), "are not MIN..MAX"));
  CHECK(has(schema_errors({{.type = 6, .key = "a"}}), "the bounds of a choice"));
  CHECK(has(schema_errors({{.type = 2, .key = "a", .bounds = "1..2"}}), "settings of this type have no bounds"));
  CHECK(has(schema_errors({{.type = 3, .flags = 2, .key = "a", .fallback = "1"}}), "required, and has a default"));
  CHECK(has(schema_errors({{.type = 11, .flags = 4, .key = "a"}}), "a mapping cannot be secret"));
  CHECK(has(schema_errors({{.type = 3, .key = "a", .fallback = "x"}}), "default of setting a: 'x' is not a number"));
  CHECK(has(schema_errors({{.type = 3, .key = "a", .fallback = "[1"}}), "its default is not YAML"));
}
