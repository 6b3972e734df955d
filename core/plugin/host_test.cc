// Plugins in the host: what they see, what they answer, how they come and go.
#include "plugin/host_test_rig.h"

using namespace veredus;
using namespace veredus::test;

namespace {

void with_mail(HostRig& rig) {
  rig.envelope.sender = *Address::parse("Ann@Example.Test");
  rig.envelope.recipients = {recipient("bob@b.test")};
}

}  // namespace

TEST_CASE("a hook reads attributes, refuses with its own reply and names its rule") {
  HostRig rig;
  with_mail(rig);
  CHECK(rig.enable({"plugin: recorder\nrefuse: bob@b.test\n"}) == "");
  Decision decision = rig.ask(Stage::rcpt);
  CHECK(decision.verdict.action == Action::reject);
  CHECK(decision.verdict.reply.joined() == "551 5.7.27 not for you");
  CHECK(decision.verdict.rule == "recorder: refuse");
  CHECK(rig.count("\"event\":\"recorder.saw\"") == 1);
  CHECK(rig.count("\"sender\":\"example.test\",\"recipient\":\"bob@b.test\"") == 1);
  rig.envelope.recipients = {recipient("eve@b.test")};
  CHECK(rig.ask(Stage::rcpt).verdict.action == Action::next);
}

TEST_CASE("a hook reads header fields and inserts one") {
  HostRig rig;
  with_mail(rig);
  CHECK(rig.enable({"plugin: recorder\n"}) == "");
  rig.content.emplace();
  rig.content->head = "Received: here\r\n";
  rig.content->memory = std::make_shared<const std::string>("From: a\r\nsubject : folded\r\n text\r\n\r\nbody: no\r\n");
  Decision decision = rig.ask(Stage::message);
  REQUIRE(decision.edits.size() == 1);
  const auto* insert = std::get_if<InsertHeader>(&decision.edits[0]);
  REQUIRE(insert);
  CHECK(insert->name == "X-Seen");
  CHECK(insert->value == "2 of 3: folded\r\n text");
}

TEST_CASE("a hook reads what hooks before it found, also when it is carried to another loop") {
  HostRig rig(2);
  with_mail(rig);
  CHECK(rig.enable({"plugin: recorder\n", "plugin: recorder-serial\n", "plugin: recorder\ninstance: two\n"}) == "");
  CHECK(rig.ask(Stage::helo).edits.size() == 3);
  const std::string found = "\"method\":\"spf\",\"result\":\"pass\",\"property\":\"smtp.helo\",\"value\":";
  CHECK(rig.count(found + "\"recorder\"") == 2);
  CHECK(rig.count(found + "\"recorder-serial\"") == 1);
}

TEST_CASE("a serial plugin is asked on its loop and answers the same, from every loop") {
  HostRig rig(3);
  with_mail(rig);
  CHECK(rig.enable({"plugin: recorder-serial\nrefuse: bob@b.test\n", "plugin: recorder-serial\ninstance: two\n",
                    "plugin: recorder-serial\ninstance: three\n"}) == "");
  Decision decision = rig.ask(Stage::rcpt);
  CHECK(decision.verdict.reply.joined() == "551 5.7.27 not for you");
  CHECK(decision.verdict.rule == "recorder-serial: refuse");
  rig.content.emplace();
  rig.content->memory = std::make_shared<const std::string>("Subject: s\r\n\r\n");
  decision = rig.ask(Stage::message);
  REQUIRE(decision.edits.size() == 3);
  CHECK(std::get<InsertHeader>(decision.edits[1]).value == "0 of 1: s");
  rig.finish();
  CHECK(rig.count("recorder_serial.shard_stop") + rig.count("recorder-serial.shard_stop") == 3);
}

TEST_CASE("a plugin that refuses to be created refuses the configuration with its place, and what ran goes on") {
  HostRig rig(2);
  with_mail(rig);
  CHECK(rig.enable({"plugin: recorder\nrefuse: bob@b.test\n"}) == "");
  CHECK(rig.enable({"plugin: recorder\n", "plugin: recorder\ninstance: b\nfail: true\n"}) == "conf.d/32-x.yaml:3:7: told to fail");
  CHECK(rig.enable({"plugin: recorder\n", "plugin: recorder\ninstance: b\nfail_loop: true\n"}) ==
        "conf.d/32-x.yaml:1:9: recorder/b: told to fail on a loop");
  CHECK(rig.ask(Stage::rcpt).verdict.action == Action::reject);
  CHECK(rig.until([&] { return rig.host->generations() == 1; }));
  CHECK(rig.count("\"event\":\"plugin.failed\"") == 2);
  // What was made beside the running ones was ended whole, in order.
  CHECK(rig.count("\"event\":\"recorder.created_again\"") == 2);
  CHECK(rig.count("\"event\":\"recorder.destroy\"") == 2);
}

TEST_CASE("a shard that does not start on one loop refuses the configuration; those of the other loops are stopped") {
  HostRig rig(3);
  with_mail(rig);
  CHECK(rig.enable({"plugin: recorder\nrefuse: bob@b.test\n"}) == "");
  CHECK(rig.enable({"plugin: recorder\nfail_on: 1\n"}) == "conf.d/31-x.yaml:1:9: recorder: told to fail on a loop");
  CHECK(rig.until([&] { return rig.host->generations() == 1; }));
  CHECK(rig.ask(Stage::rcpt).verdict.action == Action::reject);
  rig.finish();
  CHECK(rig.count("\"event\":\"recorder.shard_stop\"") == 2 + 3);
  CHECK(rig.count("\"event\":\"recorder.destroy\"") == 2);
}

TEST_CASE("a plugin that does not come back from create or shard_start is named while it hangs") {
  for (const char* where : {"hold", "hold_loop"}) {
    CAPTURE(where);
    HostRig rig(2);
    rig.host->set_slow_start(Millis(10));
    std::string file = rig.state.file("go");
    std::string function = std::string("\"plugin\":\"recorder\",\"function\":\"") + (where == std::string("hold") ? "create" : "shard_start") + "\"";
    std::thread rescuer([&] {  // the main thread is held up
      while (rig.sink.text().find(function) == std::string::npos) std::this_thread::yield();
      rig.state.write("go", "");
    });
    CHECK(rig.enable({"plugin: recorder\n" + std::string(where) + ": " + file + "\n"}) == "");
    rescuer.join();
    CHECK(rig.count("\"event\":\"plugin.slow_start\"") > 0);
    CHECK(rig.count("\"event\":\"plugin.started\"") == 1);
  }
}

TEST_CASE("a session keeps the plugins it began with; the old ones end after it") {
  HostRig rig;
  with_mail(rig);
  CHECK(rig.enable({"plugin: recorder\nrefuse: bob@b.test\n"}) == "");
  HookState session = rig.runner().begin();
  CHECK(rig.enable({"plugin: recorder\n"}) == "");
  CHECK(rig.host->generations() == 2);
  CHECK(rig.ask(Stage::rcpt).verdict.action == Action::next);
  CHECK(rig.ask(Stage::rcpt, session).verdict.action == Action::reject);
  CHECK(rig.count("recorder.quiesce") == 0);
  session = HookState();
  CHECK(rig.until([&] { return rig.host->generations() == 1; }));
  std::string log = rig.log();
  size_t quiesce = log.find("recorder.quiesce"), stop = log.find("recorder.shard_stop"), destroy = log.find("recorder.destroy");
  REQUIRE(destroy != std::string::npos);
  CHECK(quiesce < stop);
  CHECK(stop < destroy);
}

TEST_CASE("numbers of plugins outlive their generations") {
  HostRig rig;
  with_mail(rig);
  CHECK(rig.enable({"plugin: recorder\nrefuse: bob@b.test\n"}) == "");
  rig.ask(Stage::rcpt);
  CHECK(rig.enable({"plugin: recorder\n"}) == "");
  rig.ask(Stage::rcpt);
  CHECK(rig.until([&] { return rig.host->generations() == 1; }));
  auto stats = rig.host->stats();
  REQUIRE(stats.size() == 1);
  CHECK(stats[0].plugin == "recorder");
  CHECK(stats[0].generations == std::vector<uint64_t>{2});
  REQUIRE(stats[0].stages.size() == 3);
  CHECK(stats[0].stages[1].stage == Stage::rcpt);
  CHECK(stats[0].stages[1].hooks.calls == 2);
  CHECK(stats[0].stages[1].hooks.answers[static_cast<size_t>(Action::reject)] == 1);
  CHECK(stats[0].stages[1].pending == 0);
}
