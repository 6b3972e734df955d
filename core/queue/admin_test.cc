// Queue commands, and the restart with what the spool remembers.
#include "queue/test_support.h"

using namespace veredus;
using namespace veredus::queue_test;

namespace {

struct Stuck : World {  // every connection is refused
  Stuck() {
    courier->refuse = [this](const Destination&) {
      return dead ? Reply{451, {4, 4, 1}, {"refused"}} : Reply{};
    };
  }
  bool dead = true;
};

}  // namespace

TEST_CASE("list finds by every field and oldest first") {
  Stuck world;
  MessageId a = world.add("one@a.test", "red");
  world.clock.advance(Millis(5000));
  MessageId b = world.add("two@b.mx", "blue");
  MessageId c = world.add(world.message({"one@a.test", "three@c.test"}));
  world.turns();
  CHECK(world.list().size() == 3);
  CHECK(world.list()[0].envelope->id == a);
  CHECK(world.list({}, 2).size() == 2);
  auto only = [&](QueueFilter filter) {
    std::vector<MessageId> ids;
    for (const StoredMessage& stored : world.list(filter)) ids.push_back(stored.envelope->id);
    return ids;
  };
  QueueFilter f;
  f.recipient = "one@a.test";
  CHECK(only(f) == std::vector<MessageId>{a, c});
  f = {};
  f.recipient = "*@b.mx";
  CHECK(only(f) == std::vector<MessageId>{b});
  f = {};
  f.domain = "c.test";
  CHECK(only(f) == std::vector<MessageId>{c});
  f = {};
  f.destination = "b.mx";
  CHECK(only(f) == std::vector<MessageId>{b});
  f = {};
  f.destination = "smtp://*";
  CHECK(only(f) == std::vector<MessageId>{a, c});
  f = {};
  f.tenant = "red";
  CHECK(only(f) == std::vector<MessageId>{a});
  f = {};
  f.older_than = Millis(3000);
  CHECK(only(f) == std::vector<MessageId>{a});
  f = {};
  f.younger_than = Millis(3000);
  CHECK(only(f).size() == 2);
  f = {};
  f.sender = "*@from.test";
  CHECK(only(f).size() == 3);
  f.sender = "<>";
  CHECK(only(f).empty());
  f = {};
  f.ids = {c, c, MessageId{42}};
  CHECK(only(f) == std::vector<MessageId>{c});
  f = {};
  f.state = RecipientState::held;
  CHECK(only(f).empty());
}

TEST_CASE("an administrator removes, holds, releases and returns; each is logged by name") {
  Stuck world;
  MessageId a = world.add("one@a.test");
  MessageId b = world.add("two@a.test");
  MessageId c = world.add("three@a.test");
  world.turns();
  QueueFilter f;
  f.ids = {a};
  CHECK(world.act(f, QueueAction::remove) == 1);
  CHECK(world.act(f, QueueAction::remove) == 0);
  f.ids = {b};
  CHECK(world.act(f, QueueAction::hold) == 1);
  CHECK(world.act(f, QueueAction::hold) == 0);
  CHECK(world.spool.messages.at(b).recipients[0].state == RecipientState::held);
  f.ids = {c};
  CHECK(world.act(f, QueueAction::bounce) == 1);
  QueueCounters counters = world.queue->counters();
  CHECK(counters.removed == 1);
  CHECK(counters.bounced == 1);
  CHECK(counters.held == 1);
  REQUIRE(world.reporter.made.size() == 1);
  CHECK(world.lines.count("\"recipient.removed\"") == 1);
  CHECK(world.lines.count("\"by\":\"admin\"") >= 2);
  world.dead = false;
  world.pass(Millis(70'000));
  CHECK(world.queue->counters().delivered == 0);
  f.ids = {b};
  CHECK(world.act(f, QueueAction::release) == 1);
  world.turns(40);
  CHECK(world.queue->counters().delivered == 1);
}

TEST_CASE("retry makes due at once and ends the destination's rest") {
  Stuck world;
  MessageId a = world.add("one@a.test");
  world.turns();
  world.dead = false;
  QueueFilter f;
  f.ids = {a};
  CHECK(world.act(f, QueueAction::retry) == 1);
  world.turns(40);
  CHECK(world.queue->counters().delivered == 1);
  world.courier->outcome = [](const Attempt&, uint32_t) {
    return outcome_of(Outcome::temporary, 450, "later");
  };
  world.add("two@b.test");
  world.turns(40);
  world.courier->outcome = nullptr;
  CHECK(world.act({}, QueueAction::retry) == 1);
  world.turns(40);
  CHECK(world.queue->counters().delivered == 2);
}

TEST_CASE("a filter on recipients touches only those") {
  Stuck world;
  world.add(world.message({"a@one.test", "b@two.test", "c@one.test"}));
  world.turns();
  QueueFilter f;
  f.domain = "one.test";
  CHECK(world.act(f, QueueAction::remove) == 1);
  CHECK(world.queue->counters().removed == 2);
  CHECK(world.queue->counters().queued == 1);
  world.dead = false;
  world.pass(Millis(70'000));
  CHECK(world.queue->counters().delivered == 1);
  CHECK(world.courier->deliveries.back().recipients == std::vector<uint32_t>{1});
}

TEST_CASE("an order for an item in hand is carried out when it comes back") {
  World world;
  world.courier->latency = Millis(1000);
  world.courier->outcome = [](const Attempt&, uint32_t recipient) {
    return recipient == 0 ? outcome_of(Outcome::delivered, 250, "ok")
                          : outcome_of(Outcome::temporary, 450, "later");
  };
  world.add(world.message({"a@one.test", "b@one.test"}));
  world.turns();
  REQUIRE(world.courier->deliveries.size() == 1);
  CHECK(world.act({}, QueueAction::remove) == 1);
  world.pass(Millis(2000), Millis(100));
  CHECK(world.queue->counters().delivered == 1);
  CHECK(world.queue->counters().removed == 1);
  CHECK(world.queue->counters().messages == 0);
}

TEST_CASE("many messages are removed without one long turn") {
  Stuck world;
  world.spool.keep_changes = false;
  for (int i = 0; i < 20'000; ++i) world.add("one@a.test");
  world.turns();
  QueueFilter f;
  f.domain = "a.test";
  CHECK(world.act(f, QueueAction::remove) == 20'000);
  CHECK(world.queue->counters().messages == 0);
  CHECK(world.spool.messages.empty());
}

TEST_CASE("a restart keeps holds, attempts, times and warnings") {
  Settings settings = test_settings();
  settings.queue.delay_warning = Millis(30'000);
  World world(settings);
  world.courier->outcome = [](const Attempt&, uint32_t r) {
    return r == 1 ? outcome_of(Outcome::delivered, 250, "ok") : outcome_of(Outcome::temporary, 450, "later");
  };
  world.add(world.message({"a@a.test", "b@a.test"}));
  MessageId held = world.add("x@b.test");
  world.turns();
  QueueFilter f;
  f.ids = {held};
  world.act(f, QueueAction::hold);
  world.pass(Millis(100'000));
  REQUIRE(world.courier->deliveries.size() == 3);
  size_t delays = world.reporter.made.size();
  world.finish();
  world.begin(settings);
  CHECK(world.run(world.queue->recover()).ok());
  world.turns(40);
  CHECK(world.queue->counters().accepted == 2);
  CHECK(world.queue->counters().held == 1);
  CHECK(world.courier->deliveries.empty());
  std::vector<StoredMessage> queued = world.list();
  REQUIRE(queued.size() == 2);
  CHECK(queued[0].recipients[0].attempts == 2);
  CHECK(queued[0].recipients[0].next_attempt > world.clock.wall());
  world.queue->start();
  world.pass(Millis(100'000));
  REQUIRE(world.courier->deliveries.size() == 1);
  CHECK(world.courier->deliveries[0].attempts_before == 2);
  CHECK(world.courier->deliveries[0].recipients == std::vector<uint32_t>{0});
  CHECK(world.queue->counters().delivered == 1);
  CHECK(world.reporter.made.size() == delays);
}

TEST_CASE("nothing is handed out before start") {
  World world(test_settings(), false);
  for (int i = 0; i < 10; ++i) world.add("x@a.test");
  world.turns(40);
  CHECK(world.courier->tried.empty());
  world.queue->start();
  world.turns(80);
  CHECK(world.queue->counters().delivered == 10);
}

TEST_CASE("a message stored long ago and never tried is tried before it expires") {
  World world(test_settings(), false);
  auto old = world.message({"x@a.test"});
  old->envelope.arrived -= Millis(30 * 86'400'000ll);
  world.spool.put(old);
  CHECK(world.run(world.queue->recover()).ok());
  world.queue->start();
  world.turns(40);
  CHECK(world.queue->counters().delivered == 1);
  CHECK(world.queue->counters().expired == 0);
}
