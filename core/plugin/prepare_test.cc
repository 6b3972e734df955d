// Configurations with plugins, and where plugins are found.
#include "plugin/prepare.h"

#include "plugin/front_test_support.h"

using namespace veredus;
using namespace veredus::test;

namespace {

Catalogue tests() { return Catalogue({VEREDUS_TEST_PLUGINS}); }

std::string problems(const std::vector<std::string>& texts) {
  auto prepared = prepare_plugins(fragments(texts, tests().names()), tests());
  return prepared ? "good" : prepared.error_text();
}

}  // namespace

TEST_CASE("fragments become prepared plugins in their order") {
  auto prepared = prepare_plugins(fragments({"plugin: good\ninstance: b\n", "plugin: good\ninstance: a\ndelay: 1h\n"}), tests());
  REQUIRE_MESSAGE(prepared.ok(), prepared.error_text());
  REQUIRE(prepared.value().plugins.size() == 2);
  const PreparedPlugin& second = prepared.value().plugins[1];
  CHECK(second.label() == "good/a");
  CHECK(second.path == object_path("good"));
  CHECK(second.state_dir == "/var/state/good");
  CHECK(second.manifest->id == "good");
  CHECK(second.settings->find("delay")->number == 3'600'000);
}

TEST_CASE("errors of several fragments are reported together, with places") {
  std::string text = problems({"plugin: good\ndelay: x\n", "plugin: bad-crash\n", "plugin: bad-abi\n"});
  CHECK(has(text, "conf.d/31-x.yaml:2:8: delay: 'x' is not a duration"));
  CHECK(has(text, "conf.d/32-x.yaml:1:9: plugin 'bad-crash': "));
  CHECK(has(text, "opening it crashes"));
  CHECK(has(text, "conf.d/33-x.yaml:1:9: plugin 'bad-abi': "));
}

TEST_CASE("what the fragment's reserved keys may say") {
  CHECK(problems({"plugin: good\nisolation: none\n"}) == "good");
  CHECK(has(problems({"plugin: good\nisolation: process\n"}), "isolation: plugins cannot run in a process of their own yet"));
  CHECK(has(problems({"plugin: good\nisolation: jail\n"}), "isolation: 'jail' is not an isolation"));
  CHECK(has(problems({"plugin: good\n", "plugin: good\n"}), "conf.d/32-x.yaml:1:9: plugin 'good' is enabled twice; the first is at conf.d/31-x.yaml:1:9"));
  CHECK(has(problems({"plugin: goodd\n"}), "unknown plugin 'goodd' (did you mean 'good'?)"));
}

TEST_CASE("local_domains have effect while a plugin or an instance delivers under the name local") {
  auto local = [](const std::string& fragment) {
    auto prepared = prepare_plugins(fragments({fragment}, tests().names()), tests());
    REQUIRE_MESSAGE(prepared.ok(), prepared.error_text());
    return prepared.value().config.settings->local_delivery;
  };
  CHECK(local("plugin: servant\ninstance: local\n"));
  CHECK_FALSE(local("plugin: servant\n"));
  CHECK_FALSE(local("plugin: good\ninstance: local\n"));
}

TEST_CASE("a table is an enabled instance that provides tables") {
  CHECK(problems({"plugin: good\ninstance: a\nusers: b\n", "plugin: good\ninstance: b\n"}) == "good");
  CHECK(problems({"plugin: good\nusers: good\n"}) == "good");
  CHECK(has(problems({"plugin: good\ninstance: aliases\nusers: alaises\n"}),
            "conf.d/31-x.yaml:3:8: there is no table 'alaises' (did you mean 'aliases'?)"));
  CHECK(has(problems({"plugin: good\ninstance: a\nusers: good\n", "plugin: good\ninstance: b\n"}), "several instances are meant by 'good'"));
}

TEST_CASE("tables and accounts that the core's settings name must be there") {
  auto with_core = [](const std::string& core, const std::string& plugin) {
    std::vector<ConfigFile> files = {{"conf.d/00-core.yaml", "core:\n  state: /var/state\n" + core}, {"conf.d/30-x.yaml", plugin}};
    auto prepared = prepare_plugins(parse_config(files, knowing(tests().names())), tests());
    return prepared ? "good" : prepared.error_text();
  };
  CHECK(with_core("  auth: { providers: [keeper] }\n", "plugin: keeper\n") == "good");
  CHECK(with_core("  auth: { providers: [main] }\n", "plugin: keeper\ninstance: main\n") == "good");
  CHECK(has(with_core("  auth: { providers: [keeper, mian] }\n", "plugin: keeper\ninstance: main\n"),
            "conf.d/00-core.yaml:3:"));
  CHECK(has(with_core("  auth: { providers: [mainn] }\n", "plugin: keeper\ninstance: main\n"),
            "auth.providers: there are no accounts by the name of 'mainn' (did you mean 'main'?); it is an instance of an enabled plugin that provides svc.auth/1"));
  CHECK(has(with_core("  auth: { sender_table: users }\n", "plugin: keeper\n"), "auth.sender_table: there is no table 'users'; it is an instance"));
  CHECK(with_core("  auth: { sender_table: good }\n", "plugin: good\n") == "good");
}

TEST_CASE("extra exports are a warning") {
  auto prepared = prepare_plugins(fragments({"plugin: bad-exports\n"}, {"bad-exports"}), tests());
  REQUIRE_MESSAGE(prepared.ok(), prepared.error_text());
  std::string all;
  for (const ConfigWarning& warning : prepared.value().config.warnings) all += warning.full() + "\n";
  CHECK(has(all, "conf.d/31-x.yaml:1:9: plugin 'bad-exports': "));
  CHECK(has(all, "exports more than veredus_plugin_1"));
}

TEST_CASE("plugins lie in a directory, or each in one of its own; the first directory wins") {
  TempDir one, two;
  one.copy("good", "good.so");
  two.copy("good", "good/good.so");
  two.copy("good", "other/other.so");
  two.write("other/notes.txt", "");
  two.write("stray/thing.so", "");
  Catalogue both({one.path(), two.path()});
  CHECK(both.names() == std::vector<std::string>{"good", "other"});
  CHECK(both.find("good") == one.file("good.so"));
  CHECK(both.find("other") == two.file("other/other.so"));
  for (const char* none : {"stray", "", "..", "../good", "good.so", "GOOD"}) CHECK_FALSE(both.find(none));
  CHECK(Catalogue({one.file("none")}).names().empty());
}

TEST_CASE("packaged fragments lie beside plugins or where the catalogue says") {
  TempDir dir;
  dir.copy("good", "plugins/good.so");
  Catalogue catalogue({dir.file("plugins")}, {dir.file("share")});
  CHECK_FALSE(catalogue.packaged_fragment("good"));
  dir.write("share/30-good.yaml", "plugin: good\n");
  REQUIRE(catalogue.packaged_fragment("good"));
  CHECK(catalogue.packaged_fragment("good")->name == "30-good.yaml");
  dir.write("conf/40-good.yaml", "plugin: good\n");
  dir.write("conf/40-goods.yaml", "plugin: goods\n");
  CHECK(catalogue.packaged_fragment("good")->path == dir.file("conf/40-good.yaml"));
  CHECK_FALSE(catalogue.packaged_fragment("oods"));
}

TEST_CASE("VEREDUS_PLUGINS comes before everything else") {
  setenv("VEREDUS_PLUGINS", (std::string(VEREDUS_TEST_PLUGINS) + "::relative/").c_str(), 1);
  auto directories = Catalogue::standard().directories();
  unsetenv("VEREDUS_PLUGINS");
  REQUIRE(directories.size() == 2);
  CHECK(directories[0] == VEREDUS_TEST_PLUGINS);
  CHECK(directories[1].starts_with('/'));
  CHECK(directories[1].ends_with("/relative"));
  directories = Catalogue::standard().directories();
  REQUIRE(directories.size() == 1);
  CHECK(directories[0].ends_with("/plugins"));
}
