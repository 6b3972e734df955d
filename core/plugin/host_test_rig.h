// Shared by the tests of the plugin host: loops with runners and services, plugins of test_plugins enabled by fragments, one stage asked at
// a time. Loop 0 is the test's thread; further loops have threads of their own. Real time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "log/sinks.h"
#include "loop/scope.h"
#include "plugin/front_test_support.h"
#include "plugin/plugin_host.h"

namespace veredus::test {

// As prepare.h makes it of a fragment, but without a child process.
inline PreparedPlugin prepared_plugin(const PluginFragment& fragment, const TempDir& state) {
  PreparedPlugin out;
  out.fragment = fragment;
  out.path = object_path(fragment.name);
  out.state_dir = state.file(fragment.name);
  auto object = PluginObject::open(out.path);
  REQUIRE_MESSAGE(object.ok(), (object ? "" : object.error().text));
  Problems problems;
  out.manifest = std::make_shared<const Manifest>((*object)->manifest());
  out.settings = read_plugin_settings(*out.manifest, fragment, out.state_dir, problems);
  REQUIRE(out.settings);
  return out;
}

class HostRig {
 public:
  struct One {
    One(const Clock& clock, LogSink& sink, unsigned index)
        : loop(clock, index), log(clock, sink, Severity::debug), runner(loop, log, std::make_shared<const HookSet>()), services(loop, log) {
      services.runner = &runner;
    }
    Loop loop;
    Log log;
    Runner runner;
    LoopServices services;
    std::thread thread;
  };

  explicit HostRig(unsigned loops = 1) {
    for (unsigned i = 0; i < loops; ++i) all.push_back(std::make_unique<One>(clock, sink, i));
    all[0]->services.enter();
    scope = std::make_unique<Scope>(main());
    for (unsigned i = 1; i < loops; ++i)
      all[i]->thread = std::thread([one = all[i].get()] {
        one->services.enter();
        one->loop.run();
        one->services.leave();
      });
    std::vector<LoopServices*> services;
    for (auto& one : all) services.push_back(&one->services);
    host = std::make_unique<PluginHost>(std::move(services));
  }
  ~HostRig() {
    finish();
    all[0]->services.leave();
  }

  // Ends plugins and loops; afterwards the log is complete.
  void finish() {
    if (!host) return;
    bool ended = false;
    scope->cancel();
    Scope ending(main());
    ending.spawn(end(host.get(), &ended));
    until([&] { return ended; });
    for (size_t i = 1; i < all.size(); ++i) all[i]->loop.stop();
    for (size_t i = 1; i < all.size(); ++i) all[i]->thread.join();
    for (int round = 0; round < 3; ++round)
      for (auto& one : all) one->loop.run_turn(Millis(0));
    for (auto& one : all) one->log.flush();
    host.reset();
  }

  Loop& main() { return all[0]->loop; }
  Runner& runner() { return all[0]->runner; }

  // "" or why it was refused.
  std::string enable(const std::vector<std::string>& fragment_texts) {
    std::vector<std::string> names;
    for (const std::string& text : fragment_texts) names.push_back(text.substr(8, text.find('\n') - 8));
    ConfigResult config = fragments(fragment_texts, names);
    REQUIRE_MESSAGE(config.ok(), config.error_text());
    std::vector<PreparedPlugin> plugins;
    for (const PluginFragment& fragment : config.value().plugins) plugins.push_back(prepared_plugin(fragment, state));
    auto core = std::make_shared<Settings>(*config.value().settings);
    if (adjust) adjust(*core);
    std::string refused;
    bool done = false;
    scope->spawn(bring_up(this, std::move(plugins), std::move(core), &refused, &done));
    until([&] { return done; });
    REQUIRE(done);
    settle();
    return refused;
  }

  Decision ask(Stage stage) { return ask(stage, runner().begin()); }
  Decision ask(Stage stage, HookState state) {
    Decision decision;
    bool done = false;
    scope->spawn(run(this, stage, &state, &decision, &done));
    until([&] { return done; });
    REQUIRE(done);
    return decision;
  }
  template <typename F>
  bool until(F holds) {
    for (int i = 0; i < 20'000 && !holds(); ++i) main().run_turn(Millis(1));
    return holds();
  }
  void settle() {
    for (int i = 0; i < 3; ++i) main().run_turn(Millis(0));
  }
  std::string log() {
    settle();
    all[0]->log.flush();
    std::string out;
    for (const std::string& line : sink.lines()) out += line + "\n";
    return out;
  }
  size_t count(const std::string& text) {
    std::string all_of_it = log();
    size_t out = 0;
    for (size_t at = all_of_it.find(text); at != std::string::npos; at = all_of_it.find(text, at + 1)) ++out;
    return out;
  }

  RealClock clock;
  ListSink sink;
  TempDir state;
  std::vector<std::unique_ptr<One>> all;
  std::unique_ptr<PluginHost> host;
  Origin origin;
  Envelope envelope;
  std::string header;
  std::optional<Content> content;
  std::unique_ptr<Scope> scope;
  std::function<void(Settings&)> adjust;  // of the core, before plugins are enabled

 private:
  static Task<void> bring_up(HostRig* rig, std::vector<PreparedPlugin> plugins, SettingsPtr core, std::string* refused, bool* done) {
    auto ready = co_await rig->host->prepare(std::move(plugins), std::move(core));
    if (ready)
      rig->host->commit(std::move(*ready));
    else
      *refused = ready.error().text;
    *done = true;
  }
  static Task<void> run(HostRig* rig, Stage stage, HookState* state, Decision* decision, bool* done) {
    Subject subject;
    subject.origin = &rig->origin;
    subject.envelope = &rig->envelope;
    subject.header = rig->header;
    if (rig->content) subject.content = &*rig->content;
    if (!rig->envelope.recipients.empty()) subject.recipient = &rig->envelope.recipients.back();
    *decision = co_await rig->runner().run(stage, subject, *state);
    *done = true;
  }
  static Task<void> end(PluginHost* host, bool* ended) {
    co_await host->end(Millis(2000));
    *ended = true;
  }
};

inline Recipient recipient(std::string_view address) {
  Recipient out;
  auto parsed = Address::parse(address);
  REQUIRE(parsed.ok());
  out.address = std::move(*parsed);
  return out;
}

}  // namespace veredus::test
