// veredus-plugin-test: runs scripts against one plugin, without a daemon. Arguments, output, exit codes.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "runs.h"

namespace veredus::ptest {

namespace {

constexpr int kOk = 0, kFailed = 1, kUsage = 64, kMalformed = 65, kMissing = 66;

constexpr const char* kUsageText =
    "usage: veredus-plugin-test PLUGIN.so SCRIPT... [--mode plain|strict|chaos|fuzz] [--seed N] [--runs N] [--case NAME] [--verbose]\n"
    "       veredus-plugin-test --lint PLUGIN.so\n"
    "       veredus-plugin-test --version\n";

struct Arguments {
  RunOptions options;
  std::vector<std::string> scripts;
  std::string only, lint;
  bool verbose = false, version = false, help = false;
};

std::optional<Mode> mode_by_name(const std::string& name) {
  if (name == "plain") return Mode::plain;
  if (name == "strict") return Mode::strict;
  if (name == "chaos") return Mode::chaos;
  if (name == "fuzz") return Mode::fuzz;
  return std::nullopt;
}

// Takes one option with its value; false: it is unknown or malformed.
bool take_option(Arguments& out, const std::string& name, const std::string& value) {
  if (name == "--mode") {
    auto mode = mode_by_name(value);
    if (mode) out.options.mode = *mode;
    return mode.has_value();
  }
  if (name == "--seed" || name == "--runs") {
    auto number = parse_uint(value, name == "--runs" ? 1'000'000 : UINT64_MAX);
    if (!number) return false;
    if (name == "--seed") out.options.seed = *number;
    else out.options.runs = static_cast<unsigned>(*number);
    return true;
  }
  if (name == "--case") out.only = value;
  if (name == "--lint") out.lint = value;
  return name == "--case" || name == "--lint";
}

std::optional<Arguments> parse(const std::vector<std::string>& words) {
  Arguments out;
  std::vector<std::string> files;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--verbose") out.verbose = true;
    else if (word == "--version") out.version = true;
    else if (word == "--help") out.help = true;
    else if (!word.starts_with("--")) files.push_back(word);
    else if (size_t equals = word.find('='); equals != word.npos) {
      if (!take_option(out, word.substr(0, equals), word.substr(equals + 1))) return std::nullopt;
    } else if (i + 1 >= words.size() || !take_option(out, word, words[++i])) {
      return std::nullopt;
    }
  }
  if (out.version || out.help) return out;
  if (!out.lint.empty()) return files.empty() ? std::optional(out) : std::nullopt;
  if (files.size() < 2) return std::nullopt;
  out.options.plugin = files.front();
  out.scripts.assign(files.begin() + 1, files.end());
  return out;
}

void print_case(const Case& script, const Verdict& verdict, bool verbose) {
  bool colours = isatty(STDOUT_FILENO);
  const char* word = verdict.passed ? "ok" : "FAIL";
  const char* colour = !colours ? "" : verdict.passed ? "\033[32m" : "\033[31m";
  std::cout << colour << word << (colours ? "\033[0m" : "") << ' ' << script.name;
  if (!verdict.reasons.empty()) std::cout << " (" << verdict.reasons.front() << ')';
  if (verbose && verdict.runs > 1) std::cout << " # " << verdict.runs << " runs";
  std::cout << '\n';
  for (size_t i = 1; i < verdict.reasons.size(); ++i) std::cout << "     " << verdict.reasons[i] << '\n';
  for (const std::string& warning : verdict.warnings) std::cout << "     warning: " << warning << '\n';
  std::cout << std::flush;
}

// All scripts are read before any is run; nothing, after it has printed why and set the exit code.
std::optional<std::vector<Case>> read_all(const std::vector<std::string>& paths, int& code) {
  std::vector<Case> out;
  for (const std::string& path : paths) {
    auto cases = read_script(path);
    if (!cases) {
      std::cerr << "veredus-plugin-test: " << cases.error().text << '\n';
      code = cases.error().code == Errc::not_found ? kMissing : kMalformed;
      return std::nullopt;
    }
    out.insert(out.end(), cases->begin(), cases->end());
  }
  return out;
}

int run(const Arguments& arguments) {
  int code = kOk;
  if (!std::filesystem::exists(arguments.options.plugin)) {
    std::cerr << "veredus-plugin-test: " << arguments.options.plugin << ": cannot be read\n";
    return kMissing;
  }
  auto cases = read_all(arguments.scripts, code);
  if (!cases) return code;
  size_t passed = 0, failed = 0;
  if (arguments.options.mode == Mode::fuzz) std::cout << "seed " << arguments.options.seed << '\n';
  for (const Case& script : *cases) {
    if (!arguments.only.empty() && script.name.find(arguments.only) == script.name.npos) continue;
    Verdict verdict = run_case(script, arguments.options);
    ++(verdict.passed ? passed : failed);
    print_case(script, verdict, arguments.verbose);
  }
  std::cout << passed << " passed, " << failed << " failed\n";
  if (passed + failed > 0) return failed == 0 ? kOk : kFailed;
  std::cerr << "veredus-plugin-test: no case " << arguments.only << '\n';
  return kUsage;
}

int main(const std::vector<std::string>& words) {
  auto arguments = parse(words);
  if (!arguments) {
    std::cerr << kUsageText;
    return kUsage;
  }
  if (arguments->help) std::cout << kUsageText;
  if (arguments->version) std::cout << "veredus-plugin-test " VEREDUS_VERSION "\n";
  if (arguments->help || arguments->version) return kOk;
  return arguments->lint.empty() ? run(*arguments) : lint(arguments->lint);
}

}  // namespace

}  // namespace veredus::ptest

int main(int argc, char** argv) { return veredus::ptest::main(std::vector<std::string>(argv + 1, argv + argc)); }
