// Ten thousand sessions at once, each waiting for a plugin that has taken a token and a view through the C interface: they are answered from
// the plugin's threads, time out, or go away, each once; and one of them costs little memory.
#include "inbound/session.h"
#include "inbound/suspended_support.h"
#include "inbound/test_rig.h"
#include "plugin/host_test_rig.h"

using namespace veredus;
using namespace veredus::test;

namespace {

constexpr size_t kMostOctets = 20 * 1024;

// A session's loop with the host of plugins.
struct PluginRig {
  explicit PluginRig(const std::string& fragment) : services(rig.loop, rig.log) {
    services.runner = &rig.runner;
    services.enter();
    host = std::make_unique<PluginHost>(std::vector<LoopServices*>{&services});
    ConfigResult config = fragments({fragment}, {"patient"});
    REQUIRE_MESSAGE(config.ok(), config.error_text());
    std::vector<PreparedPlugin> plugins{prepared_plugin(config.value().plugins[0], state)};
    bool up = false;
    scope.spawn(bring_up(this, std::move(plugins), config.value().settings, &up));
    REQUIRE(rig.until([&] { return up; }));
  }
  ~PluginRig() { services.leave(); }

  void end() {
    bool ended = false;
    scope.spawn(end_all(host.get(), &ended));
    REQUIRE(rig.until([&] { return ended; }));
    rig.log.flush();
  }
  Decision ask(Stage stage) {
    HookState hooks = rig.runner.begin();
    std::optional<Decision> out;
    scope.spawn(run(&rig.runner, stage, &hooks, &out));
    REQUIRE(out);
    return std::move(*out);
  }
  std::string log_line(std::string_view event) {
    std::string out;
    for (const std::string& line : rig.sink.lines())
      if (line.find(event) != std::string::npos) out = line;
    return out;
  }

  static Task<void> bring_up(PluginRig* self, std::vector<PreparedPlugin> plugins, SettingsPtr core, bool* up) {
    auto ready = co_await self->host->prepare(std::move(plugins), std::move(core));
    if (ready) self->host->commit(std::move(*ready));
    *up = ready.ok();
  }
  static Task<void> end_all(PluginHost* host, bool* ended) {
    co_await host->end(Millis(2000));
    *ended = true;
  }
  static Task<void> run(Runner* runner, Stage stage, HookState* hooks, std::optional<Decision>* out) {
    out->emplace(co_await runner->run(stage, Subject(), *hooks));
  }

  Rig rig;
  TempDir state;
  LoopServices services;
  std::unique_ptr<PluginHost> host;
  Scope scope{rig.loop};
};

}  // namespace

TEST_CASE("ten thousand sessions wait for a plugin") {
  size_t count = session_count();
  REQUIRE(count >= 3);
  PluginRig plugin("plugin: patient\n");
  Rig& rig = plugin.rig;
  PendingTable& table = rig.runner.pending();
  std::vector<std::unique_ptr<Rig::Client>> clients;
  clients.reserve(count);
  rig.turn();
  size_t before = allocated_octets();
  for (size_t i = 0; i < count; ++i) clients.push_back(std::make_unique<Rig::Client>(rig));
  for (auto& client : clients) CHECK(client->read(1).starts_with("220"));
  for (auto& client : clients) client->send("EHLO client.test\r\n");
  for (auto& client : clients) CHECK(client->read(1).starts_with("250"));
  for (auto& client : clients) {  // one after the other, so that the plugin numbers them alike
    size_t open = table.open_count();
    client->send("MAIL FROM:<somebody@sender.example>\r\nRCPT TO:<b@here.test>\r\n");
    REQUIRE(rig.until([&] { return table.open_count() == open + 1; }));
  }
  size_t each = (allocated_octets() - before) / count;
  MESSAGE(count << " sessions that wait for a plugin with a view each, " << each << " octets each");
  CHECK(each < kMostOctets);
  CHECK(plugin.host->stats()[0].views == count);

  size_t answered = (count + 2) / 3, late = (count + 1) / 3;
  CHECK(plugin.ask(Stage::bounce).verdict.action == Action::next);  // its threads answer now
  CHECK(rig.until([&] { return table.open_count() == count - answered && plugin.host->stats()[0].views == 0; }));
  rig.pass(Seconds(61));
  CHECK(rig.until([&] { return table.open_count() == count - answered - late; }));
  size_t refused = 0, told_later = 0;
  for (size_t i = 0; i < count; ++i) {
    if (i % 3 == 2) continue;
    std::string replies = clients[i]->read(2);
    refused += replies.find("\r\n550 5.7.1") != replies.npos && i % 3 == 0;
    told_later += replies.find("\r\n451 4.7.1") != replies.npos && i % 3 == 1;
  }
  CHECK(refused == answered);
  CHECK(told_later == late);
  rig.scope.cancel();
  CHECK(table.open_count() == 0);
  plugin.end();
  std::string summary = plugin.log_line("\"event\":\"patient.summary\"");
  auto says = [&](const std::string& name, size_t value) { return has(summary, "\"" + name + "\":\"" + std::to_string(value) + "\""); };
  CHECK(says("calls", count));
  CHECK(says("won", answered));
  CHECK(says("late", answered));
  CHECK(says("cancelled", count - answered - late));
  CHECK(says("wrong", 0));
  CHECK(plugin.log_line("plugin.leaked_views") == "");
}
