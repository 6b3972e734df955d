// Expiry by time in every state, delay warnings, clocks that step.
#include "queue/test_support.h"

using namespace veredus;
using namespace veredus::queue_test;

namespace {

Settings short_lived() {
  Settings settings = test_settings();
  settings.queue.expire = Millis(3'600'000);
  settings.queue.expire_bounce = Millis(600'000);
  return settings;
}

}  // namespace

TEST_CASE("messages that wait for a connection expire by time, not on requeue") {
  World world(short_lived());
  world.queue->suspend("*", "anna");  // so that nothing is ever tried or put back
  for (int i = 0; i < 300; ++i) world.add("x@a.test");
  world.pass(Millis(3'590'000), Millis(10'000));
  CHECK(world.queue->counters().expired == 0);
  world.pass(Millis(11'000), Millis(1000));
  CHECK(world.queue->counters().expired == 300);
  CHECK(world.queue->counters().queued == 0);
  REQUIRE(world.reporter.made.size() == 300);
  CHECK(world.reporter.made[0].kind == ReportKind::expired);
  CHECK(world.lines.count("\"recipient.expired\"") == 300);
}

TEST_CASE("scheduled items expire though their next attempt is far away") {
  Settings settings = short_lived();
  settings.queue.retry = {Millis(86'400'000)};
  World world(settings);
  world.courier->outcome = [](const Attempt&, uint32_t) {
    return outcome_of(Outcome::temporary, 450, "not now");
  };
  world.add("x@a.test");
  world.turns();
  world.pass(Millis(3'601'000), Millis(10'000));
  CHECK(world.queue->counters().expired == 1);
  REQUIRE(world.reporter.made.size() == 1);
  CHECK(world.reporter.made[0].recipients[0].reply.code == 450);
  CHECK(world.reporter.made[0].recipients[0].reply.joined() == "450 4.0.0 not now");
}

TEST_CASE("null-sender messages expire on their own term") {
  World world(short_lived());
  world.queue->suspend("*", "anna");
  auto bounce = world.message({"x@a.test"});
  bounce->envelope.sender = Address();
  world.add(bounce);
  world.add("x@a.test");
  world.pass(Millis(601'000), Millis(10'000));
  CHECK(world.queue->counters().expired == 1);
  CHECK(world.queue->counters().queued == 1);
}

TEST_CASE("what is in hand expires when it comes back, unless it was delivered") {
  World world(short_lived());
  world.courier->latency = Millis(3'700'000);
  int count = 0;
  world.courier->outcome = [&](const Attempt&, uint32_t) {
    return ++count == 1 ? outcome_of(Outcome::delivered, 250, "ok")
                        : outcome_of(Outcome::temporary, 450, "later");
  };
  world.add("x@a.test");
  world.add("y@b.test");
  world.turns(40);
  world.pass(Millis(3'690'000), Millis(10'000));
  CHECK(world.queue->counters().queued == 2);
  world.pass(Millis(20'000), Millis(1000));
  CHECK(world.queue->counters().delivered == 1);
  CHECK(world.queue->counters().expired == 1);
}

TEST_CASE("an expiry whose report cannot be stored is not final") {
  World world(short_lived());
  world.queue->suspend("*", "anna");
  world.reporter.failing = 1;
  world.add("x@a.test");
  world.pass(Millis(3'601'000), Millis(10'000));
  CHECK(world.queue->counters().expired == 0);
  CHECK(world.queue->counters().queued == 1);
  world.pass(Millis(70'000), Millis(1000));
  CHECK(world.queue->counters().expired == 1);
}

TEST_CASE("a delay is reported once, and remembered in the spool") {
  Settings settings = short_lived();
  settings.queue.delay_warning = Millis(300'000);
  World world(settings);
  world.courier->outcome = [](const Attempt&, uint32_t) {
    return outcome_of(Outcome::temporary, 450, "not now");
  };
  MessageId id = world.add("x@a.test");
  auto null_sender = world.message({"x@a.test"});
  null_sender->envelope.sender = Address();
  world.add(null_sender);
  world.turns();
  world.pass(Millis(290'000), Millis(1000));
  CHECK(world.reporter.made.empty());
  world.pass(Millis(20'000), Millis(1000));
  REQUIRE(world.reporter.made.size() == 1);
  CHECK(world.reporter.made[0].kind == ReportKind::delay);
  CHECK(world.reporter.made[0].id == id);
  CHECK(world.reporter.made[0].recipients[0].reply.code == 450);
  CHECK(world.reporter.made[0].recipients[0].will_retry_until > world.clock.wall());
  CHECK(world.spool.messages.at(id).recipients[0].delay_warned);
  world.pass(Millis(3'000'000), Millis(10'000));
  size_t delays = 0;
  for (const auto& made : world.reporter.made) delays += made.kind == ReportKind::delay;
  CHECK(delays == 1);
}

TEST_CASE("a delay is reported though an attempt takes the last recipient while the message is read for the report") {
  Settings settings = short_lived();
  settings.queue.delay_warning = Millis(300'000);
  settings.queue.retry = {Millis(320'000)};
  World world(settings);
  world.courier->outcome = [](const Attempt&, uint32_t) { return outcome_of(Outcome::temporary, 450, "not now"); };
  world.add("x@a.test");
  world.turns();
  world.pass(Millis(280'000), Millis(1000));
  world.spool.load_time = Millis(90'000);  // the next attempt begins meanwhile, and takes its time
  world.courier->latency = Millis(120'000);
  world.pass(Millis(500'000), Millis(1000));
  size_t delays = 0;
  for (const auto& made : world.reporter.made) delays += made.kind == ReportKind::delay;
  CHECK(delays == 1);
}

TEST_CASE("held messages do not expire; released ones get a chance") {
  World world(short_lived());
  auto held = world.message({"x@a.test"});
  held->envelope.held = true;
  MessageId id = world.add(held);
  world.pass(Millis(7'200'000), Millis(60'000));
  CHECK(world.queue->counters().held == 1);
  CHECK(world.queue->counters().expired == 0);
  QueueFilter filter;
  filter.ids = {id};
  CHECK(world.act(filter, QueueAction::release) == 1);
  world.turns(40);
  CHECK(world.queue->counters().delivered == 1);
  CHECK(world.queue->counters().held == 0);
}

TEST_CASE("a wall clock that steps forward or back neither expires nor revives by itself") {
  World world(short_lived());
  world.queue->suspend("*", "anna");
  world.add("x@a.test");
  world.turns();
  world.clock.step_wall(Millis(-1'800'000));
  world.pass(Millis(3'000'000), Millis(10'000));
  CHECK(world.queue->counters().expired == 0);
  world.pass(Millis(2'500'000), Millis(10'000));
  CHECK(world.queue->counters().expired == 1);
}
