// Routes that a hook chooses late, and messages that can no longer be read.
#include "queue/records.h"
#include "queue/test_support.h"

using namespace veredus;
using namespace veredus::queue_test;

namespace {

const std::string kOther = "smtp://127.0.0.1:9";

RecipientOutcome another_way() {
  RecipientOutcome out = outcome_of(Outcome::rerouted, 450, "slow down");
  out.next_hop = kOther;
  return out;
}

}  // namespace

TEST_CASE("a route chosen after a refusal is stored and followed at once") {
  World world;
  world.courier->outcome = [](const Attempt& attempt, uint32_t recipient) {
    bool first = attempt.attempts_before == 0 && recipient == 1;
    return first ? another_way() : outcome_of(Outcome::delivered, 250, "ok");
  };
  world.add(world.message({"a@a.test", "b@a.test"}));
  world.turns(40);
  CHECK(world.queue->counters().delivered == 2);
  REQUIRE(world.courier->deliveries.size() == 2);
  CHECK(world.courier->deliveries[1].destination == kOther);
  CHECK(world.courier->deliveries[1].recipients == std::vector<uint32_t>{1});
  CHECK(world.courier->deliveries[1].attempts_before == 1);
}

TEST_CASE("a restart follows the stored route") {
  World world;
  world.courier->outcome = [](const Attempt&, uint32_t) { return another_way(); };
  world.courier->refuse = [](const Destination& to) {
    return to.name == kOther ? Reply{451, {4, 4, 1}, {"down"}} : Reply();
  };
  MessageId id = world.add("a@a.test");
  world.turns(40);
  CHECK(world.queue->counters().queued == 1);
  CHECK(world.spool.messages.at(id).message->envelope.recipients[0].next_hop == kOther);
}

TEST_CASE("a hook that changes its mind for ever is slowed down") {
  World world;
  world.courier->outcome = [](const Attempt&, uint32_t) { return another_way(); };
  world.add("a@a.test");
  world.turns(400);
  CHECK(world.courier->deliveries.size() <= 8);
  CHECK(world.queue->counters().queued == 1);
  world.pass(Millis(3'600'000), Millis(10'000));
  CHECK(world.courier->deliveries.size() < 30);
}

TEST_CASE("a route that cannot be stored is a deferral, nothing is lost") {
  World world;
  world.spool.amend_error = Error{Errc::no_space, "disk full"};
  world.courier->outcome = [](const Attempt& attempt, uint32_t) {
    return attempt.attempts_before == 0 ? another_way() : outcome_of(Outcome::delivered, 250, "ok");
  };
  world.add("a@a.test");
  world.turns(40);
  CHECK(world.queue->counters().queued == 1);
  world.pass(Millis(90'000));
  CHECK(world.queue->counters().delivered == 1);
}

TEST_CASE("the queue list names the destination of each recipient") {
  World world;
  world.courier->refuse = [](const Destination&) { return Reply{451, {4, 4, 1}, {"down"}}; };
  world.add(world.message({"a@one.mx", "b@two.mx"}));
  world.turns(20);
  std::vector<StoredMessage> listed = world.list();
  REQUIRE(listed.size() == 1);
  CHECK(listed[0].destinations == std::vector<std::string>{"mx:one.mx", "mx:two.mx"});
}

TEST_CASE("a message that became unreadable is held when its time is up, not reported in a circle") {
  World world;
  world.courier->outcome = [](const Attempt&, uint32_t) { return outcome_of(Outcome::temporary, 451, "later"); };
  world.queue->reconfigure(std::make_shared<const Settings>(world.changed([](Settings& settings) {
    settings.queue.expire = Millis(3'600'000);
    settings.queue.retry = {Millis(7'200'000)};
  })));
  world.add("a@a.test");
  world.turns(40);
  world.spool.load_error = Error{Errc::corrupt, "checksum"};
  world.pass(Millis(4'000'000), Millis(10'000));
  CHECK(world.queue->counters().held == 1);
  CHECK(world.queue->counters().expired == 0);
  CHECK(world.reporter.made.empty());
  CHECK(world.lines.count("\"bounce.failed\"") <= 1);
}

TEST_CASE("a queued message with one recipient is small") {
  // With the index by id, twice as large as needed at worst, and the entries in the heaps of expiries and retries.
  size_t octets = sizeof(queue_detail::MessageRecord) + sizeof(queue_detail::ItemRecord) + 2 * sizeof(uint32_t) + 2 * 16;
  CHECK(octets <= 200);
}
