// Plans of each mode, and the judgement of a run.
#include "runs.h"

#include <cstdio>
#include <filesystem>
#include <memory>

#include "child.h"
#include "exec.h"
#include "fuzz.h"
#include "object.h"

namespace veredus::ptest {

namespace {

constexpr int kLimitSeconds = 20;
constexpr int kMostAborts = 64;
constexpr size_t kMostReasons = 5;

// What a run said.
struct Report {
  std::vector<std::string> failures, breaches, warnings;
  std::set<std::string> ifaces;
  int deferrals = 0;
  std::string step, problem;
};

std::string new_directory() {
  std::string path = (std::filesystem::temp_directory_path() / "veredus-plugin-test-XXXXXX").string();
  return mkdtemp(path.data()) ? path : std::string();
}

// Of this process, and until its end: late threads of the plugin may still call the host.
std::vector<std::unique_ptr<Exec>>& kept_benches() {
  static auto* kept = new std::vector<std::unique_ptr<Exec>>;
  return *kept;
}

// Step by step; a second bench, if there is one, follows the first.
void play(const Case& script, const vrd_plugin* plugin, const Plan& plan, const std::string& directory, Reporter& out) {
  auto& benches = kept_benches();
  for (int i = 0; i < (plan.twin ? 2 : 1); ++i) {
    std::string own = directory + "/" + std::to_string(i);
    std::filesystem::create_directories(own);
    benches.push_back(std::make_unique<Exec>(script, plugin, plan, own));
    benches.back()->start();
  }
  for (size_t at = 0; at < script.steps.size(); ++at)
    for (auto& bench : benches) {
      out.say('s', script.steps[at].place + " " + script.steps[at].name);
      if (!bench->stopped()) bench->step(at);
    }
  out.say('s', "the end");
  for (auto& bench : benches) {
    bench->finish();
    for (const std::string& text : bench->failures()) out.say('f', text);
    for (const std::string& id : bench->bench().ifaces) out.say('i', id);
    out.say('d', std::to_string(bench->bench().deferrals));
  }
}

void child_work(const Case& script, const std::string& path, const Plan& plan, const std::string& directory, Reporter& out) {
  auto plugin = load(path);
  if (!plugin) return out.say('f', plugin.error().text);
  for (const std::string& problem : description_problems(*plugin)) {
    out.say('f', problem);
    if (!plan.fuzz) return;
  }
  watch().on_give_up([&out] {
    for (const std::string& text : watch().breaches()) out.say('b', text);
    end_child(out);
  });
  Chance chance(plan.seed);
  Case mine = plan.fuzz ? fuzzed(script, **plugin, chance) : script;
  InRole main(Role::main);
  play(mine, *plugin, plan, directory, out);
  for (const std::string& text : watch().breaches()) out.say('b', text);
  for (const std::string& text : watch().warnings()) out.say('w', text);
}

Report read_report(const Ended& ended) {
  Report out;
  out.problem = ended.problem;
  for (const Line& line : ended.lines) switch (line.kind) {
      case 'f': out.failures.push_back(line.text); break;
      case 'b': out.breaches.push_back(line.text); break;
      case 'w': out.warnings.push_back(line.text); break;
      case 'i': out.ifaces.insert(line.text); break;
      case 'd': out.deferrals = std::atoi(line.text.c_str()); break;
      case 's': out.step = line.text; break;
      default: break;
    }
  return out;
}

Report run_plan(const Case& script, const RunOptions& options, const Plan& plan) {
  std::string directory = new_directory();
  auto work = [&](Reporter& out) { child_work(script, options.plugin, plan, directory, out); };
  Report out = read_report(in_child(work, kLimitSeconds));
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  return out;
}

void judge(const Report& report, const Plan& plan, Verdict& verdict) {
  std::string prefix = plan.name.empty() ? "" : plan.name + ": ";
  std::vector<std::string> found;
  if (!report.problem.empty()) found.push_back(report.problem + (report.step.empty() ? "" : " at " + report.step));
  if (plan.strict)  // first, for what was expected often did not come because of them
    for (const std::string& breach : report.breaches) found.push_back("rule: " + breach);
  found.insert(found.end(), report.failures.begin(), report.failures.end());
  for (const std::string& reason : found) verdict.reasons.push_back(prefix + reason);
  for (const std::string& warning : report.warnings)
    if (std::find(verdict.warnings.begin(), verdict.warnings.end(), warning) == verdict.warnings.end()) verdict.warnings.push_back(warning);
  verdict.passed = verdict.reasons.empty();
  ++verdict.runs;
}

Plan rules_only(const std::string& name, uint64_t seed) {
  Plan out;
  out.name = name;
  out.strict = true;
  out.expectations = false;
  out.seed = seed;
  return out;
}

void add_seeded(std::vector<Plan>& plans, const RunOptions& options, const std::string& name, void (*set)(Plan&)) {
  for (unsigned i = 0; i < options.runs; ++i) {
    uint64_t seed = options.seed + i;
    Plan plan = rules_only(name + ", seed " + std::to_string(seed), seed);
    set(plan);
    plans.push_back(std::move(plan));
  }
}

void add_one(std::vector<Plan>& plans, const RunOptions& options, const std::string& name, void (*set)(Plan&)) {
  Plan plan = rules_only(name, options.seed);
  set(plan);
  plans.push_back(std::move(plan));
}

std::vector<Plan> chaos_plans(const Report& first, const RunOptions& options) {
  std::vector<Plan> plans;
  for (int at = 0; at < std::min(first.deferrals, kMostAborts); ++at) {
    Plan plan = rules_only("abort at deferral " + std::to_string(at + 1), options.seed);
    plan.abort_at = at;
    plans.push_back(std::move(plan));
  }
  add_one(plans, options, "every answer after the time-out", [](Plan& p) { p.cut_ms = 1, p.delay_ms = 2; });
  add_seeded(plans, options, "answers race the time-out", [](Plan& p) { p.cut_ms = p.delay_ms = 2, p.shuffle = true; });
  add_seeded(plans, options, "answers in any order", [](Plan& p) { p.shuffle = true; });
  for (vrd_status status : {VRD_E_TIMEOUT, VRD_E_TEMPORARY, VRD_E_IO, VRD_E_MEMORY, VRD_E_FAULT, VRD_E_CLOSED, VRD_E_NOT_FOUND, VRD_E_CANCELLED}) {
    Plan plan = rules_only("every service answers " + std::string(status_text(status)), options.seed);
    plan.fail_all = status;
    plans.push_back(std::move(plan));
  }
  add_one(plans, options, "every service is busy", [](Plan& p) { p.busy = true; });
  add_seeded(plans, options, "some answers are errors", [](Plan& p) { p.fail_some = p.shuffle = true; });
  for (const std::string& id : first.ifaces) {
    Plan plan = rules_only("no " + id, options.seed);
    plan.no_iface = id;
    plans.push_back(std::move(plan));
  }
  add_one(plans, options, "stopped with requests under way", [](Plan& p) { p.stop_at_once = true, p.cut_ms = 1, p.delay_ms = 1'000'000; });
  add_one(plans, options, "no memory for tokens", [](Plan& p) { p.none = Scarce::tokens; });
  add_one(plans, options, "no memory for views", [](Plan& p) { p.none = Scarce::views; });
  add_one(plans, options, "no memory for lists of edits", [](Plan& p) { p.none = Scarce::edits; });
  add_seeded(plans, options, "little memory", [](Plan& p) { p.some_memory = true; });
  return plans;
}

std::vector<Plan> fuzz_plans(const RunOptions& options) {
  std::vector<Plan> plans;
  add_seeded(plans, options, "fuzz", [](Plan& p) { p.fuzz = true, p.shuffle = p.seed % 2 == 0, p.fail_some = p.seed % 5 == 0; });
  return plans;
}

Plan first_plan(const RunOptions& options) {
  Plan plan;
  plan.seed = options.seed;
  plan.strict = options.mode != Mode::plain;
  plan.expectations = options.mode == Mode::plain || options.mode == Mode::strict;
  return plan;
}

}  // namespace

Verdict run_case(const Case& script, const RunOptions& options) {
  Verdict out;
  Plan plan = first_plan(options);
  Report first = run_plan(script, options, plan);
  judge(first, plan, out);
  if (!out.passed) return out;
  std::vector<Plan> more;
  if (options.mode == Mode::strict) {
    more.push_back(plan);
    more.back().name = "two instances in turn";
    more.back().twin = true;
    more.push_back(rules_only("stopped while it works", options.seed));
    more.back().stop_at_once = more.back().stop_in_work = true;
    more.back().delay_ms = 1;
  }
  if (options.mode == Mode::chaos) more = chaos_plans(first, options);
  if (options.mode == Mode::fuzz) more = fuzz_plans(options);
  for (const Plan& each : more) {
    judge(run_plan(script, options, each), each, out);
    if (out.reasons.size() >= kMostReasons) break;
  }
  return out;
}

int lint(const std::string& path) {
  std::vector<std::string> problems;
  auto symbols = read_symbols(path);
  if (!symbols) {
    std::fprintf(stderr, "veredus-plugin-test: %s\n", symbols.error().text.c_str());
    return symbols.error().code == Errc::not_found ? 66 : 1;
  }
  problems = symbol_problems(*symbols);
  Ended ended = in_child([&](Reporter& out) {
    auto plugin = load(path);
    if (!plugin) return out.say('f', plugin.error().text);
    for (const std::string& problem : description_problems(*plugin)) out.say('f', problem);
  }, kLimitSeconds);
  Report report = read_report(ended);
  problems.insert(problems.end(), report.failures.begin(), report.failures.end());
  if (!report.problem.empty()) problems.push_back("describing it: " + report.problem);
  for (const std::string& problem : problems) std::printf("%s\n", problem.c_str());
  if (problems.empty()) std::printf("ok\n");
  return problems.empty() ? 0 : 1;
}

}  // namespace veredus::ptest
