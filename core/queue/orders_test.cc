// Verdicts of stage route that end or stop a recipient, and an administrator's orders on recipients that are in somebody's hand.
#include "queue/test_support.h"

using namespace veredus;
using namespace veredus::queue_test;

namespace {

Routed ruled(Outcome verdict, const std::string& rule) {
  Routed out;
  out.verdict = verdict;
  out.rule = rule;
  return out;
}

QueueFilter only(const std::string& recipient) {
  QueueFilter filter;
  filter.recipient = recipient;
  return filter;
}

}  // namespace

TEST_CASE("a rule at route discards or holds; the rest goes its way") {
  World world;
  world.router.ruled["bad.test"] = ruled(Outcome::discarded, "rules: spam");
  world.router.ruled["odd.test"] = ruled(Outcome::held, "rules: odd");
  std::vector<std::string> finished;
  world.queue->on_finished([&](const FinishedRecipient& f) {
    finished.push_back(f.envelope.recipients[f.recipient].address.text() + " " + (f.state == RecipientState::discarded ? "discarded" : "in another state"));
  });
  MessageId id = world.add(world.message({"a@bad.test", "b@odd.test", "c@odd.test", "d@good.test"}));
  world.turns(40);
  QueueCounters counters = world.queue->counters();
  CHECK(counters.discarded == 1);
  CHECK(counters.held == 2);
  CHECK(counters.delivered == 1);
  CHECK(finished.size() == 2);
  CHECK(finished[0] == "a@bad.test discarded");
  const std::vector<RecipientStatus>& stored = world.spool.messages.at(id).recipients;
  CHECK(stored[0].state == RecipientState::discarded);
  CHECK(stored[0].rule == "rules: spam");
  CHECK(stored[1].state == RecipientState::held);
  CHECK(stored[1].reply == "rules: odd");
  CHECK(world.lines.count("\"recipient.discarded\"") == 1);
  CHECK(world.lines.count("\"reason\":\"rules: odd\"") == 1);
  world.router.ruled.clear();
  CHECK(world.act({}, QueueAction::release) == 1);
  world.turns(40);
  CHECK(world.queue->counters().delivered == 3);
  CHECK(world.queue->counters().messages == 0);
}

TEST_CASE("a message of which a rule discards every recipient is forgotten") {
  World world;
  world.router.ruled["bad.test"] = ruled(Outcome::discarded, "rules");
  world.add(world.message({"a@bad.test", "b@bad.test"}));
  world.turns(20);
  CHECK(world.queue->counters().discarded == 2);
  CHECK(world.queue->counters().messages == 0);
  CHECK(world.spool.messages.empty());
}

TEST_CASE("orders on recipients that are being routed are carried out when they have been") {
  World world;
  Event gate(world.loop);
  world.router.gate = &gate;
  MessageId id = world.add(world.message({"a@a.test", "b@b.test", "c@c.test", "d@d.test"}));
  world.turns(4);
  CHECK(world.act(only("a@a.test"), QueueAction::hold) == 1);
  CHECK(world.act(only("b@b.test"), QueueAction::remove) == 1);
  CHECK(world.act(only("c@c.test"), QueueAction::bounce) == 1);
  CHECK(world.act(only("x@x.test"), QueueAction::remove) == 0);
  CHECK(world.act({}, QueueAction::release) == 0);
  CHECK(world.queue->counters().queued == 4);
  gate.set();
  world.turns(40);
  QueueCounters counters = world.queue->counters();
  CHECK(counters.held == 1);
  CHECK(counters.removed == 1);
  CHECK(counters.bounced == 1);
  CHECK(counters.delivered == 1);
  REQUIRE(world.courier->deliveries.size() == 1);
  CHECK(world.courier->deliveries[0].recipients == std::vector<uint32_t>{3});
  CHECK(world.spool.messages.at(id).recipients[1].rule == "admin");
  world.router.gate = nullptr;
}

TEST_CASE("the last order wins, and orders on an item that is routed anew hold too") {
  World world;
  world.courier->refuse = [](const Destination&) { return Reply{451, {4, 4, 1}, {"down"}}; };
  world.add("a@a.test");
  world.turns(30);
  Event gate(world.loop);
  world.router.gate = &gate;
  world.queue->reconfigure(std::make_shared<const Settings>(world.changed([](Settings& settings) {
    settings.hosts["x.test"] = {*IpAddress::parse("127.0.0.1")};
  })));
  world.turns(10);
  CHECK(world.act({}, QueueAction::hold) == 1);
  CHECK(world.act({}, QueueAction::remove) == 1);
  gate.set();
  world.turns(20);
  CHECK(world.queue->counters().removed == 1);
  CHECK(world.queue->counters().messages == 0);
  world.router.gate = nullptr;
}

TEST_CASE("an order on a recipient whose report is being made holds when the report fails, and not when it is made") {
  for (bool made : {false, true}) {
    World world;
    Event gate(world.loop);
    world.reporter.gate = &gate;
    world.reporter.failing = made ? 0 : 1;
    world.courier->outcome = [](const Attempt&, uint32_t) { return outcome_of(Outcome::permanent, 550, "no"); };
    world.add("a@a.test");
    world.turns(20);
    CHECK(world.act({}, QueueAction::remove) == 1);
    CHECK(world.queue->counters().queued == 1);
    gate.set();
    world.turns(20);
    CHECK(world.queue->counters().removed == (made ? 0 : 1));
    CHECK(world.queue->counters().bounced == (made ? 1 : 0));
    CHECK(world.queue->counters().messages == 0);
    world.reporter.gate = nullptr;
  }
}

TEST_CASE("an order on a message that expires holds when the report cannot be stored") {
  World world;
  world.courier->refuse = [](const Destination&) { return Reply{451, {4, 4, 1}, {"down"}}; };
  MessageId id = world.add("a@a.test");
  world.turns(20);
  Event gate(world.loop);
  world.reporter.gate = &gate;
  world.reporter.failing = 1;
  world.clock.advance(Millis(6 * 86'400'000LL));
  world.turns(20);
  CHECK(world.act({}, QueueAction::hold) == 1);
  gate.set();
  world.turns(40);
  CHECK(world.queue->counters().held == 1);
  CHECK(world.spool.messages.at(id).recipients[0].state == RecipientState::held);
  world.reporter.gate = nullptr;
}

TEST_CASE("an order on one recipient of an item in hand concerns this one alone") {
  World world;
  world.courier->latency = Millis(1000);
  world.courier->outcome = [](const Attempt& attempt, uint32_t) {
    return attempt.attempts_before == 0 ? outcome_of(Outcome::temporary, 451, "later") : outcome_of(Outcome::delivered, 250, "ok");
  };
  world.add(world.message({"a@a.test", "b@a.test"}));
  world.turns(20);
  REQUIRE(world.courier->deliveries.size() == 1);
  CHECK(world.act(only("b@a.test"), QueueAction::remove) == 1);
  world.pass(Millis(90'000));
  CHECK(world.queue->counters().removed == 1);
  CHECK(world.queue->counters().delivered == 1);
  CHECK(world.queue->counters().messages == 0);
}
