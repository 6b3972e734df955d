// What people copy must work: the example in the README, those in the manual, and what the sample shows
// commented out.
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "base/text.h"
#include "config/show.h"
#include "config/test_support.h"

using namespace veredus;
using namespace veredus::test;

namespace {

std::string read(const std::string& path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  REQUIRE_MESSAGE(in, path);
  return out.str();
}

// The parts of a text between two lines.
std::vector<std::string> blocks(const std::string& text, const std::string& begin, const std::string& end) {
  std::vector<std::string> out;
  bool inside = false;
  for (std::string_view line : split(text, '\n')) {
    if (line == begin) out.emplace_back();
    if (inside && line != end) out.back().append(line).push_back('\n');
    inside = line == begin || (inside && line != end);
  }
  return out;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

void check_loads(const std::string& text) {
  auto result = parse(text);
  CHECK_MESSAGE(result.ok(), text << result.error_text());
  if (!result) return;
  for (const ConfigWarning& warning : result.value().warnings)
    CHECK_MESSAGE(warning.text.find("there are none") != std::string::npos, warning.full());
}

// "  # queue:" and "  #   retry: ..." without their marks; sentences stay comments.
std::string uncommented(const std::string& sample) {
  std::string out;
  for (std::string_view line : split(sample, '\n')) {
    bool setting = line.starts_with("  # ") && line.size() > 4 &&
                   (line[4] == ' ' || line.find(": ") < 30 || line.ends_with(':'));
    bool sentence = setting && line[4] >= 'A' && line[4] <= 'Z';
    out += setting && !sentence ? "  " + std::string(line.substr(4)) : std::string(line);
    out += "\n";
  }
  return out;
}

}  // namespace

TEST_CASE("the examples of the README load") {
  auto examples = blocks(read(VEREDUS_SAMPLE_CONF "/../README.md"), "```yaml", "```");
  REQUIRE(examples.size() >= 1);
  for (const std::string& example : examples) check_loads(example);
}

TEST_CASE("the examples of the manual load") {
  size_t found = 0;
  for (std::string example : blocks(settings_reference_man(), ".EX", ".EE")) {
    if (!example.starts_with("    core:")) continue;
    ++found;
    check_loads(replaced(replaced(replaced(example, "\\-", "-"), "\n    ", "\n"), "    core:", "core:"));
  }
  CHECK(found == 4);
}

TEST_CASE("what the sample shows commented out loads too") {
  std::string text = uncommented(read(VEREDUS_SAMPLE_CONF "/00-core.yaml"));
  CHECK(text.find("\n  hostname: mx.example.test\n") != std::string::npos);
  CHECK(text.find("\n    connections_per_client: 50\n") != std::string::npos);
  // relay_domains is shown twice, once as it is and once as an example
  check_loads(replaced(text, "\n  relay_domains: []\n", "\n"));
}
