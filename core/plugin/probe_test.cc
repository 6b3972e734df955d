// Objects good and bad: what is said of each, and that none hurts the process that asks. Also the entry point of this binary.
#define DOCTEST_CONFIG_IMPLEMENT
#include "plugin/probe.h"

#include <nlohmann/json.hpp>

#include "plugin/front_test_support.h"

using namespace veredus;
using namespace veredus::test;

int main(int argc, char** argv) {
  if (auto code = run_as_probe_child(argc, argv)) return *code;
  doctest::Context context(argc, argv);
  return context.run();
}

namespace {

std::string probe_error(const std::string& path, Millis limit = kProbeLimit) {
  auto manifest = probe_plugin(path, limit);
  return manifest ? "no error" : manifest.error().text;
}

std::string findings(const std::string& name) {
  auto found = lint_symbols(object_path(name));
  if (!found) return found.error().text;
  std::string out;
  for (const std::string& finding : *found) out += finding + "\n";
  return out;
}

}  // namespace

TEST_CASE("a good plugin is described") {
  auto manifest = probe_plugin(object_path("good"));
  REQUIRE_MESSAGE(manifest.ok(), manifest.error().text);
  CHECK(manifest->id == "good");
  CHECK(manifest->version == "1.2");
  CHECK(abi_text(manifest->abi) == "1.0");
  CHECK(manifest->settings.size() == 15);
  REQUIRE(manifest->hooks.size() == 2);
  CHECK(stage_text(manifest->hooks[0].stage) == "rcpt");
  CHECK(rights_words(manifest->hooks[0].may) == std::vector<std::string>{"recipients", "notes"});
  CHECK(manifest->hooks[0].known);
  CHECK_FALSE(manifest->hooks[1].known);  // optional, of a stage to come
  REQUIRE(manifest->commands.size() == 1);
  CHECK(manifest->commands[0].name == "good stats");
  CHECK(manifest->provides("svc.table/1"));
}

TEST_CASE("a manifest survives the way through JSON") {
  auto manifest = probe_plugin(object_path("good"));
  REQUIRE(manifest.ok());
  auto json = manifest_to_json(*manifest);
  auto again = manifest_from_json(json);
  REQUIRE(again.ok());
  CHECK(manifest_to_json(*again) == json);
  CHECK_FALSE(manifest_from_json(nlohmann::ordered_json::object()).ok());
  json["settings"][0]["type"] = "text";
  CHECK_FALSE(manifest_from_json(json).ok());
}

TEST_CASE("each wrong description has its own words, with the file's name") {
  struct Row {
    const char *name, *text;
  };
  const Row rows[] = {
      {"bad-symbol", "does not export veredus_plugin_1"},
      {"bad-abi", "built for ABI 1.5, this host offers 1.0: it needs a newer Veredus"},
      {"bad-size", "size is 40, expected "},
      {"bad-id", "its id is 'another': the file must be called another.so"},
      {"bad-stage", "hook of stage 999: this host has no such stage, and the hook is not optional"},
      {"bad-rights", "hook of stage connect: the right 'body' does not exist at this stage"},
      {"bad-schema", "default of setting count: 'many' is not a number, 1 to 10"},
      {"bad-string", "summary is NULL"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    std::string text = probe_error(object_path(row.name));
    CAPTURE(text);
    CHECK(has(text, row.text));
    CHECK(text.starts_with(object_path(row.name) + ": "));
  }
}

TEST_CASE("constructors that crash, hang or end the process are named and hurt nobody") {
  CHECK(has(probe_error(object_path("bad-crash")), "opening it crashes with signal 11"));
  CHECK(has(probe_error(object_path("bad-exit")), "opening it ended the process with code 3"));
  CHECK(has(probe_error(object_path("bad-hang"), Millis(400)), "opening it takes longer than 400 ms"));
}

TEST_CASE("what a constructor prints is not taken for the answer, and it cannot write files or start programs") {
  TempDir dir;
  std::string written = dir.file("written");
  setenv("VEREDUS_TEST_WRITES", written.c_str(), 1);
  auto manifest = probe_plugin(object_path("bad-noise"));
  unsetenv("VEREDUS_TEST_WRITES");
  REQUIRE_MESSAGE(manifest.ok(), manifest.error().text);
  CHECK(manifest->id == "bad-noise");
  CHECK_FALSE(std::filesystem::exists(written));
}

TEST_CASE("files that are no objects") {
  TempDir dir;
  CHECK(has(probe_error(dir.file("none.so")), "No such file or directory"));
  CHECK(has(probe_error(dir.write("text.so", "plugin: text\n")), "not a shared object (no ELF file)"));
  CHECK(has(probe_error(dir.write("empty.so", "")), "not a shared object (no ELF file)"));
  CHECK(has(probe_error(dir.path()), "not a regular file"));
  std::string whole = dir.copy("good", "good.so");
  for (uintmax_t size : {20, 64, 100, 1000, 5000}) {
    std::filesystem::resize_file(dir.copy("good", "cut.so"), size);
    CAPTURE(size);
    CHECK_FALSE(probe_plugin(dir.file("cut.so")).ok());
    CHECK_FALSE(lint_symbols(dir.file("cut.so")).ok());
  }
}

TEST_CASE("the lint of symbols") {
  CHECK(findings("good") == "");
  CHECK(has(findings("bad-exports"), "exports more than veredus_plugin_1, which may clash: "));
  CHECK(has(findings("bad-exports"), "helpful_function"));
  CHECK(has(findings("bad-symbol"), "exports no veredus_plugin_1"));
}

TEST_CASE("a damaged table of sections is no reason to read beyond the file") {
  TempDir dir;
  std::ifstream in(object_path("good"), std::ios::binary);
  std::string whole((std::istreambuf_iterator<char>(in)), {});
  for (size_t at = 0; at < whole.size(); at += whole.size() / 200 + 1) {
    std::string damaged = whole;
    for (size_t i = at; i < std::min(at + 8, whole.size()); ++i) damaged[i] = static_cast<char>(0xff);
    (void)lint_symbols(dir.write("damaged.so", damaged));  // any answer, but an answer
  }
  std::string no_sections = whole;
  for (size_t i = 0x28; i < 0x30; ++i) no_sections[i] = static_cast<char>(0x7f);  // e_shoff
  CHECK(has(lint_symbols(dir.write("far.so", no_sections)).error().text, "table of sections is missing or damaged"));
}

TEST_CASE("a probe is remembered until the file changes") {
  TempDir dir;
  std::string path = dir.copy("good", "good.so");
  auto first = probe_once(path);
  REQUIRE(first.ok());
  auto second = probe_once(path);
  REQUIRE(second.ok());
  CHECK(first->manifest.get() == second->manifest.get());
  std::filesystem::remove(path);
  dir.copy("bad-id", "good.so");
  CHECK(has(probe_once(path).error().text, "its id is 'another'"));
}

TEST_CASE("an object is opened once a process, and a changed file is refused") {
  TempDir dir;
  std::string path = dir.copy("good", "good.so");
  auto first = PluginObject::open(path);
  REQUIRE_MESSAGE(first.ok(), first.error().text);
  CHECK((*first)->manifest().id == "good");
  CHECK((*PluginObject::open(dir.path() + "/./good.so")).get() == first->get());
  std::filesystem::remove(path);
  dir.copy("good", "good.so");
  auto changed = PluginObject::open(path);
  REQUIRE_FALSE(changed.ok());
  CHECK(has(changed.error().text, "the file has changed since this process loaded it; restart veredusd"));
}
